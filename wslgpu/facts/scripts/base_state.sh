# shellcheck shell=sh
# base_state.sh DATA_DIR: the data directory, the site's certificate authorities, and pip's configuration.
echo "wslgpu-base-state"
echo "data-dir $(readlink -m "$1")"
echo "directory $(stat -c '%a %U:%G %F' "$1" 2>/dev/null || echo '- - none')"
sed 's/^/mount /' /proc/self/mountinfo

bundle=/etc/ssl/certs/ca-certificates.crt
for file in /usr/local/share/ca-certificates/wslgpu-site*.crt; do
    if [ ! -f "$file" ]; then continue; fi
    name=${file##*/}
    trusted=yes
    if command -v update-ca-certificates >/dev/null; then
        if ! [ "/etc/ssl/certs/${name%.crt}.pem" -ef "$file" ]; then trusted=no; fi
        if ! grep -qxF "$(sed -n 2p "$file")" "$bundle" 2>/dev/null; then trusted=no; fi
    fi
    echo "authority $(sha256sum <"$file" | cut -d' ' -f1) $trusted $name"
done
for link in /etc/ssl/certs/wslgpu-site*.pem; do
    name=${link##*/}
    # a removal that was killed: the bundle may still hold it
    if [ -L "$link" ] && [ ! -e "$link" ]; then echo "authority - no ${name%.pem}.crt"; fi
done

# without our own lines, which may hold the proxy's password: facts are shown at the highest verbosity
echo "pip $(stat -c '%a %U:%G' /etc/pip.conf 2>/dev/null || echo '- -')"
if [ -f /etc/pip.conf ]; then
    echo "pip-sha256 $(sha256sum </etc/pip.conf | cut -d' ' -f1)"
    echo "pip-others $(sed '/^# wslgpu: begin$/,/^# wslgpu: end$/d' /etc/pip.conf | head -c 65536 | base64 -w 0)"
fi
echo "end"
