# shellcheck shell=sh
# clutter.sh NAMESPACE: what may be needed no longer on a node, as lines of values separated by tabs; nothing is changed.
#   archive BYTES PATH              a package that apt keeps after it was installed
#   version BYTES PATH              of an artifact, which neither current nor previous points at, or half of one
#   damaged BYTES PATH              a manifest that was set aside
#   copy BYTES SHA256               what is kept of what stood on the node before
#   temporary BYTES PATH            left by a run that was cut off more than an hour ago
#   bundle BYTES PATH               sent from a bundle by a run that was cut off
#   image BYTES NAME DIGEST         in containerd's NAMESPACE
echo "wslgpu-clutter"
tab=$(printf '\t')
own=/var/lib/wslgpu
find /var/cache/apt/archives -xdev -maxdepth 1 -type f -name '*.deb' -printf "archive$tab%s$tab%p\n" 2>/dev/null || true
find "$own" -xdev -mindepth 1 -maxdepth 1 -name 'manifest.json.damaged-*' -printf "damaged$tab%s$tab%p\n" 2>/dev/null || true
find "$own/before" -xdev -maxdepth 1 -type f -name '????????????????????????????????????????????????????????????????' \
    -printf "copy$tab%s$tab%f\n" 2>/dev/null || true
find /etc /usr/local /usr/share/keyrings "$own" -xdev -type f -name '.*.wslgpu-??????' -mmin +60 -printf "temporary$tab%s$tab%p\n" 2>/dev/null || true
bundle=/var/cache/wslgpu-bundle
if [ -d "$bundle" ] && [ ! -L "$bundle" ]; then
    printf 'bundle\t%s\t%s\n' "$(du -s --block-size=1 "$bundle" | cut -f1)" "$bundle"
fi
for artifact in /opt/wslgpu/*/; do
    [ -d "$artifact" ] || continue
    for folder in "$artifact"* "$artifact".new-* "$artifact".gone-*; do
        if [ ! -d "$folder" ] || [ -L "$folder" ]; then continue; fi
        name=${folder##*/}
        case $name in
        .new-* | .gone-*) ;;
        *)
            [ -d "$folder/.wslgpu" ] || continue
            if [ "$name" = "$(readlink "${artifact}current")" ] || [ "$name" = "$(readlink "${artifact}previous")" ]; then continue; fi
            ;;
        esac
        printf 'version\t%s\t%s\n' "$(du -s --block-size=1 "$folder" | cut -f1)" "$folder"
    done
done
if command -v ctr >/dev/null && systemctl --quiet is-active containerd; then
    timeout 30 ctr --namespace "$1" images ls 2>/dev/null | awk '
        BEGIN { unit["B"] = 1; unit["KiB"] = 1024; unit["MiB"] = 1048576; unit["GiB"] = 1073741824; unit["TiB"] = 1099511627776 }
        NR > 1 && $3 ~ /^sha256:/ { printf "image\t%.0f\t%s\t%s\n", $4 * unit[$5], $1, $3 }' || true
fi
