# shellcheck shell=sh
# containerd_config.sh SHA256 NVIDIA DEFAULT_RUNTIME CDI STALE <base64 of the wanted config.toml
#
# Puts config.toml and NVIDIA's drop-in 99-nvidia.toml in place together, and makes the running containerd use them.
# NVIDIA: required (the toolkit's task), or refresh (made anew only where it is). STALE: yes to restart even if no
# file changes. containerd itself reads the new files before they are put in place; when it does not come back with
# them, the previous ones are, and the run fails.
# include: containerd_service.sh
sha256=$1 nvidia=$2 default_runtime=$3 cdi=$4 stale=$5
config=/etc/containerd/config.toml
conf_d=/etc/containerd/conf.d
drop_in=$conf_d/99-nvidia.toml
good=/var/lib/wslgpu/containerd-last-good
stage=/etc/containerd/.wslgpu-stage
deadline=60

keep() { # copy what is in place to $good, whole or not at all
    rm -rf "$good.new"
    mkdir -p "$good.new"
    for _file in "$config" "$drop_in"; do
        if [ -f "$_file" ]; then cp -p "$_file" "$good.new/"; fi
    done
    sync "$good.new"/* "$good.new" 2>/dev/null || true
    mv "$good.new" "$good"
}
restore() {
    for _file in "$config" "$drop_in"; do
        if [ -f "$good/${_file##*/}" ]; then
            cp -p "$good/${_file##*/}" "$_file.wslgpu-restored"
            mv -f "$_file.wslgpu-restored" "$_file"
        else
            rm -f "$_file"
        fi
    done
    touch "$config"
}

# a run that was cut off between placing and proving: first back to what was good
if [ -d "$good" ]; then
    if ! containerd_answers; then
        restore
        containerd_restart "$deadline" || true
        stale=yes
    fi
    rm -rf "$good"
fi

rm -rf "$stage"
mkdir -p "$stage/conf.d" "$conf_d" || fail platform "cannot write in /etc/containerd" "Free space there, or make it writable."
trap 'rm -rf "$stage"' EXIT
base64 -d >"$stage/config.toml" || fail platform "cannot write in $stage: no space, or read-only" "Free space in /etc."
[ "$(sha256sum <"$stage/config.toml" | cut -d' ' -f1)" = "$sha256" ] ||
    fail integrity "the configuration arrived with another hash" "Run it again."
for file in "$conf_d"/*.toml; do
    if [ -f "$file" ]; then cp "$file" "$stage/conf.d/"; fi
done

if command -v nvidia-ctk >/dev/null; then
    if [ "$nvidia" = required ] || [ -f "$drop_in" ]; then
        rm -f "$stage/conf.d/99-nvidia.toml"
        cp "$stage/config.toml" "$stage/source.toml"
        set -- --runtime=containerd "--config=$stage/source.toml" "--drop-in-config=$stage/conf.d/99-nvidia.toml"
        if [ "$default_runtime" = yes ]; then set -- "$@" --set-as-default; fi
        if [ "$cdi" = yes ]; then set -- "$@" --cdi.enabled; fi
        nvidia-ctk --quiet runtime configure "$@" >"$stage/nvidia-ctk.log" 2>&1 && [ -s "$stage/conf.d/99-nvidia.toml" ] ||
            fail platform "nvidia-ctk runtime configure failed: $(tail -n 1 "$stage/nvidia-ctk.log")" "See what nvidia-ctk says by hand."
    fi
elif [ "$nvidia" = required ]; then
    fail platform "there is no nvidia-ctk on this node" "Run the container_toolkit task."
fi

# containerd reads the new files where they are now
sed "s,\"/etc/containerd/conf[.]d/,\"$stage/conf.d/," "$stage/config.toml" >"$stage/check.toml"
containerd --config "$stage/check.toml" config dump >"$stage/dump" 2>"$stage/dump.err" ||
    fail platform "containerd refuses the new configuration, which was not put in place: $(grep -v level=warning "$stage/dump.err" | tail -n 1 | sed "s,$stage,/etc/containerd,g" | cut -c1-400)" \
        "Mend the file that it names, or move it away."
grep -qE "config_path = ['\"]/etc/containerd/certs.d['\"]" "$stage/dump" ||
    fail platform "a file in $conf_d replaces containerd's whole CRI section: $(grep -lE 'grpc.v1.cri|cri.v1' "$stage/conf.d"/*.toml | xargs -n 1 basename | grep -v -x 99-nvidia.toml | tr '\n' ' ')" \
        "Move its settings to $config, and remove it."

changed=no
cmp -s "$stage/config.toml" "$config" && [ ! -L "$config" ] || changed=yes
if [ -f "$stage/conf.d/99-nvidia.toml" ]; then cmp -s "$stage/conf.d/99-nvidia.toml" "$drop_in" || changed=yes; fi

if [ "$changed" = yes ]; then
    containers=$(running_containers)
    if [ -n "$containers" ]; then echo "containers that run, and go on running:" "$containers"; fi
    keep
    keep_before "$config"
    chmod 644 "$stage/config.toml"
    sync "$stage/config.toml"
    if [ -f "$stage/conf.d/99-nvidia.toml" ]; then
        chmod 644 "$stage/conf.d/99-nvidia.toml"
        sync "$stage/conf.d/99-nvidia.toml"
        mv -fT "$stage/conf.d/99-nvidia.toml" "$drop_in"
    fi
    mv -fT "$stage/config.toml" "$config"
    sync "$conf_d" /etc/containerd
fi

systemctl is-enabled --quiet containerd || systemctl enable --quiet containerd 2>/dev/null ||
    fail platform "the service containerd cannot be enabled: it is $(systemctl is-enabled containerd 2>&1 | head -n 1)" \
        "systemctl unmask containerd, if it was masked on purpose by somebody; then run again."
if [ "$changed" = yes ] || [ "$stale" = yes ] || ! containerd_answers; then
    if ! containerd_restart "$deadline"; then
        reason=$(containerd_reason)
        if [ "$changed" = no ]; then
            fail platform "containerd does not come up, with a configuration that this run did not change: $reason" \
                "journalctl -u containerd says more."
        fi
        restore
        if containerd_restart "$deadline"; then
            rm -rf "$good"
            fail platform "containerd did not come back with the new configuration; the previous one is in force again: $reason" \
                "journalctl -u containerd says more."
        fi
        rm -rf "$good"
        fail platform "containerd did not come back with the new configuration, nor with the previous one that was put back: $reason" \
            "journalctl -u containerd says more."
    fi
fi
rm -rf "$good"
