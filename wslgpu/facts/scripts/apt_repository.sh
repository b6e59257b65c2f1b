# shellcheck shell=sh
# apt_repository.sh URI KEYRING SOURCES: one line each
#   keyring KIND MODE OWNER:GROUP, then key FINGERPRINT VALIDITY for each primary key in it
#   sources SHA256 MODE OWNER:GROUP
#   other FILE SIGNED_BY          another sources file that names the same repository
echo "wslgpu-apt-repository"
uri=${1%/} keyring=$2 sources=$3
if [ -L "$keyring" ]; then
    echo "keyring link - -"
elif [ -f "$keyring" ]; then
    echo "keyring file $(stat -c '%a %U:%G' "$keyring")"
    home=$(mktemp -d)
    gpg --homedir "$home" --batch --no-autostart --show-keys --with-colons "$keyring" 2>/dev/null |
        awk -F: '$1 == "pub" { validity = $2 ? $2 : "-"; primary = 1 }
            $1 == "fpr" && primary { print "key", $10, validity; primary = 0 }'
    rm -rf "$home"
fi
if [ -f "$sources" ] && [ ! -L "$sources" ]; then
    echo "sources $(sha256sum <"$sources" | cut -d' ' -f1) $(stat -c '%a %U:%G' "$sources")"
fi
# NVIDIA's own list file names the architecture as $(ARCH)
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources; do
    if [ ! -f "$file" ] || [ "$file" = "$sources" ]; then continue; fi
    awk -v uri="$uri" -v file="$file" '
        function same(address) { gsub(/\$\(ARCH\)/, "amd64", address); sub(/\/$/, "", address); return address == uri }
        function show(by) { print "other", file, (by == "" ? "-" : by); }
        /^[[:space:]]*#/ { next }
        file ~ /list$/ { by = ""; hit = 0
            for (i = 2; i <= NF; i++) { if (match($i, /signed-by=[^],]*/)) by = substr($i, RSTART + 10, RLENGTH - 10)
                if (same($i)) hit = 1 }
            if (hit && ($1 == "deb")) show(by); next }
        /^[[:space:]]*$/ { if (hit) show(by); by = ""; hit = 0; next }
        tolower($1) == "uris:" { for (i = 2; i <= NF; i++) if (same($i)) hit = 1 }
        tolower($1) == "signed-by:" { by = $2 }
        tolower($1) == "enabled:" && tolower($2) == "no" { hit = 0 }
        END { if (file !~ /list$/ && hit) show(by) }' "$file"
done
