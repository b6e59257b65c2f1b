# shellcheck shell=sh disable=SC2154
# video_spec.sh: the CDI spec of the driver's video codec libraries; functions for refresh_cdi.sh, after gpu_spec.sh.
#
# The device is asked for beside nvidia.com/gpu=all and brings what that lacks. Which copy of a library a container gets:
# 1. the one that nvidia.com/gpu mounts, if it does (toolkit 1.20 takes the whole driver store);
# 2. that of /usr/lib/wsl/lib, as programs on the node do: it is the folder that WSL names to the loader;
# 3. that of the driver store in use, which is the one that nvidia.com/gpu mounts from.
video_spec=/etc/cdi/wslgpu-video.yaml
video_device=video
video_library_folder=/usr/lib/wsl/lib
video_stores=/usr/lib/wsl/drivers
video_stems="libnvidia-encode libnvcuvid libnvidia-opticalflow"
video_loader=/lib64/ld-linux-x86-64.so.2
video_hook=/usr/bin/nvidia-cdi-hook

# gpu_in_force: the file with the spec of nvidia.com/gpu that counts; /var/run/cdi wins over /etc/cdi.
gpu_in_force() {
    for file in /var/run/cdi/*.yaml /var/run/cdi/*.json /etc/cdi/*.yaml /etc/cdi/*.json; do
        if [ -f "$file" ] && [ "$(kind_of "$file")" = "$gpu_kind" ]; then
            echo "$file"
            return 0
        fi
    done
    return 1
}

# stems: names or paths of libraries, one a line on standard input, without folder, .so and what follows it.
stems() { sed -E 's,.*/,,; s/\.so(\.[0-9]+)*$//'; }

# library_files STEM FOLDER...: the files of a library in the first folder that has it; where they have versions in
# their names, those: a program that runs asks for no other.
library_files() {
    stem=$1
    shift
    for folder in "$@"; do
        for file in "$folder/$stem".so.[0-9]*; do if [ -f "$file" ]; then echo "$file"; fi; done >"$work/found"
        if [ ! -s "$work/found" ] && [ -f "$folder/$stem.so" ]; then echo "$folder/$stem.so" >"$work/found"; fi
        if [ -s "$work/found" ]; then
            cat "$work/found"
            return 0
        fi
    done
}

# loads FILE FOLDERS: the loader finds all that the library links; FOLDERS are separated by colons. As ldd asks: nothing
# of the library is run. What is missing is said.
loads() {
    timeout 20 env LD_TRACE_LOADED_OBJECTS=1 "$video_loader" --library-path "$2" "$1" >"$work/links" 2>&1 || {
        echo "the loader refuses it"
        return 1
    }
    lacking=$(sed -nE 's/^[[:space:]]*([^ ]+) => not found.*/\1/p' "$work/links" | tr '\n' ' ')
    [ -z "$lacking" ] || {
        echo "it needs ${lacking% }"
        return 1
    }
}

# video_files COVERED FOLDER...: one line for each library: "mount FILE", "covered STEM", "lacking STEM", or
# "broken STEM WHY". COVERED has the stems of what nvidia.com/gpu mounts.
#
# What a library needs stands in it as a name: what it links, and what it opens while it runs. Of these names, what the
# folders have and nvidia.com/gpu does not is mounted too; the rest comes from the image.
video_files() {
    covered=$1
    shift
    folders=$(printf '%s:' "$@")
    : >"$work/queue"
    for wanted in $video_stems; do
        if grep -qxF "$wanted" "$covered"; then
            echo "covered $wanted"
            continue
        fi
        library_files "$wanted" "$@" >"$work/files"
        if [ ! -s "$work/files" ]; then
            echo "lacking $wanted"
        elif why=$(while read -r file; do loads "$file" "${folders%:}" || exit 1; done <"$work/files"); then
            cat "$work/files" >>"$work/queue"
        else
            echo "broken $wanted $why"
        fi
    done
    : >"$work/taken"
    while [ -s "$work/queue" ]; do
        file=$(head -n 1 "$work/queue")
        sed -i 1d "$work/queue"
        if grep -qxF "$file" "$work/taken"; then continue; fi
        echo "$file" >>"$work/taken"
        grep -aoE 'lib[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*\.so(\.[0-9]+)*' "$file" | sort -u | while read -r name; do
            if grep -qxF "$(echo "$name" | stems)" "$covered"; then continue; fi
            for folder in "$@"; do
                if [ -f "$folder/$name" ]; then
                    echo "$folder/$name" >>"$work/queue"
                    break
                fi
            done
        done
    done
    # one copy of a library: a name that ends in .so is the same library's as one with a version
    sort -u "$work/taken" | while read -r file; do
        case $file in *.so) ! grep -qE "/$(basename "$file" | sed 's/[.+]/\\&/g')\.[0-9]" "$work/taken" || continue ;; esac
        echo "mount $file"
    done
}

# words PREFIX: the rest of the lines of $work/libraries that begin with it, on one line.
words() { sed -nE "s/^$1 //p" "$work/libraries" | tr '\n' ' ' | sed 's/ $//'; }

# video_text KIND: the spec, from $work/libraries.
video_text() {
    echo "# Made by wslgpu with /usr/local/lib/wslgpu/refresh-cdi: the video codec libraries that $gpu_kind lacks."
    if [ -n "$(words covered)" ]; then echo "# Mounted by $gpu_kind: $(words covered)"; fi
    if [ -n "$(words lacking)" ]; then echo "# Not on this node: $(words lacking)"; fi
    sed -nE 's/^broken ([^ ]+) (.*)/# Left out: \1, since \2/p' "$work/libraries"
    printf '%s\n' "---" "cdiVersion: 0.3.0" "kind: $1" "devices:" "    - name: $video_device" "      containerEdits:" \
        "        deviceNodes:" "            - path: /dev/dxg"
    sed -n 's/^mount //p' "$work/libraries" >"$work/mounts"
    [ -s "$work/mounts" ] || return 0
    printf '%s\n' "        hooks:" "            - hookName: createContainer" "              path: $video_hook" \
        "              args:" "                - nvidia-cdi-hook" "                - update-ldcache"
    sed 's,/[^/]*$,,' "$work/mounts" | sort -u | while read -r folder; do
        printf '                - %s\n' --folder "$folder"
    done
    printf '%s\n' "              env:" "                - NVIDIA_CTK_DEBUG=false" "        mounts:"
    while read -r file; do
        printf '%s\n' "            - hostPath: $file" "              containerPath: $file" "              options:"
        printf '                - %s\n' ro nosuid nodev rbind rprivate
    done <"$work/mounts"
}

# video_generate KIND: the spec as $work/video.yaml; an empty file where the node has no codec library at all.
video_generate() {
    gpu=$(gpu_in_force) ||
        fail platform "no CDI spec of $gpu_kind is there, and the video device is made to complete it" "Run wslgpu apply: its container_toolkit part makes it."
    [ -x "$video_hook" ] || fail platform "there is no $video_hook" "Install nvidia-container-toolkit-base 1.18 or later."
    mounted "$gpu" | stems | sort -u >"$work/covered"
    store=$(mounted "$gpu" | sed -nE "s,^($video_stores/[^/]+)/.*,\1,p" | sort -u | head -n 1)
    [ -n "$store" ] || fail platform "$gpu mounts nothing of $video_stores" "wsl --shutdown after a driver update, then run again."
    [ -d "$store" ] || fail platform "$gpu is of the driver store $store, which is gone" "wsl --shutdown after a driver update, then run again."
    video_files "$work/covered" "$video_library_folder" "$store" >"$work/libraries"
    : >"$work/video.yaml"
    if grep -qE '^(mount|covered) ' "$work/libraries"; then video_text "$1" >"$work/video.yaml"; fi
}

# video_claimants KIND: other files that define the same device, one a line.
video_claimants() {
    for file in /etc/cdi/*.yaml /etc/cdi/*.json /var/run/cdi/*.yaml /var/run/cdi/*.json; do
        if [ "$file" != "$video_spec" ] && [ -f "$file" ] && [ "$(kind_of "$file")" = "$1" ] &&
            grep -qE "\"?name\"?:[[:space:]]*\"?$video_device(\"|[[:space:],}]|\$)" "$file"; then echo "$file"; fi
    done
}

# video_put KIND: $work/video.yaml, checked, becomes the file; none where there is nothing to promise.
video_put() {
    others=$(video_claimants "$1" | tr '\n' ' ')
    [ -z "$others" ] ||
        fail platform "the CDI device $1=$video_device is claimed by more than one file: $video_spec and ${others% }" "Remove what is not wanted: rm ${others% }; then run again."
    if [ ! -s "$work/video.yaml" ]; then
        if ours "$video_spec"; then rm -f "$video_spec"; fi
        echo "wslgpu: this node has no video codec library, so no $video_spec"
        return 0
    fi
    checked "$work/video.yaml" "$1" "$video_device"
    put_spec "$work/video.yaml" "$video_spec"
}
