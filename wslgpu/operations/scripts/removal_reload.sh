# shellcheck shell=sh
# removal_reload.sh WORD...: let the node see what is gone. Words: certificates, libraries, restart=UNIT.
systemctl daemon-reload || fail platform "systemd does not read its units anew" "systemctl daemon-reload says more."
for word in "$@"; do
    case $word in
    certificates)
        if command -v update-ca-certificates >/dev/null; then
            update-ca-certificates >/dev/null 2>&1 || fail platform "update-ca-certificates failed" "Run it by hand."
        fi
        # links by hash stay where a certificate was gone before it looked
        for link in /etc/ssl/certs/wslgpu-site*.pem /etc/ssl/certs/*.[0-9]; do
            case $link:$(readlink "$link" || true) in *wslgpu-site*) if [ ! -e "$link" ]; then rm -f "$link"; fi ;; esac
        done
        ;;
    libraries) ldconfig || fail platform "ldconfig failed" "Run it by hand." ;;
    restart=*)
        timeout 120 systemctl try-restart "${word#*=}" ||
            fail platform "${word#*=} does not start without what wslgpu had put there" "systemctl status ${word#*=} says more."
        ;;
    esac
done
