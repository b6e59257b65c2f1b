# shellcheck shell=sh
# Included: reading key files with gpg, which wants a home directory of its own even for that.

# primary_keys FILE: one line per primary key, FINGERPRINT VALIDITY (e: expired, r: revoked) EXPIRES (seconds, or -).
primary_keys() {
    _home=$(mktemp -d)
    gpg --homedir "$_home" --batch --no-autostart --show-keys --with-colons "$1" 2>/dev/null |
        awk -F: '$1 == "pub" { validity = $2 ? $2 : "-"; expires = $7 ? $7 : "-"; primary = 1 }
            $1 == "fpr" && primary { print $10, validity, expires; primary = 0 }'
    rm -rf "$_home"
}
