# What sh can tell of a node without python3: the same document, with fewer observations.
# It stands in a function of the program's text; wslgpu_head and wslgpu_ids are set before it.
# shellcheck shell=sh disable=SC2154,SC2086,SC2046
wslgpu_limit_s=8
wslgpu_out=
wslgpu_seen=' '
set -- $wslgpu_head
wslgpu_level=$1 wslgpu_view=$2 wslgpu_nonce=$3 wslgpu_program=$4
wslgpu_started=$(date +%s)
# A Windows drive answers slowly, and everybody may write there: nothing of it is run.
wslgpu_uid=$(id -u)
wslgpu_session_path=$PATH
wslgpu_rest=$PATH:
wslgpu_safe=
while [ -n "$wslgpu_rest" ]; do
  wslgpu_item=${wslgpu_rest%%:*}
  wslgpu_rest=${wslgpu_rest#*:}
  case $wslgpu_item in
  /mnt/* | [!/]* | '') continue ;;
  esac
  if [ "$wslgpu_uid" = 0 ]; then
    # root starts nothing that another user could have put there
    case $(PATH=/usr/bin:/bin ls -ldn "$wslgpu_item/." 2>/dev/null) in d???????[!w]?\ *\ 0\ * | d???????[!w]?[.+@]\ *\ 0\ *) ;; *) continue ;; esac
  fi
  wslgpu_safe=$wslgpu_safe$wslgpu_item:
done
PATH=$wslgpu_safe/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin
if command -v timeout >/dev/null 2>&1; then wslgpu_timeout=yes; else wslgpu_timeout=; fi

# A JSON text. Only printable ASCII, tabs and lines are kept: anything can stand in a file.
text() {
  case $1 in
  *[!A-Za-z0-9._/:,=+@\ ~%\;\(\)-]*)
    printf '"%s"' "$(printf '%s\n' "$1" | tr -cd '\11\12\40-\176' | head -c 16384 |
      sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/	/\\t/g' -e '$!s/$/\\n/' | tr -d '\12')" ;;
  *) printf '"%s"' "$1" ;;
  esac
}
# A JSON list of texts.
list() {
  wslgpu_comma=
  printf '['
  for wslgpu_item in "$@"; do
    printf '%s' "$wslgpu_comma"
    text "$wslgpu_item"
    wslgpu_comma=', '
  done
  printf ']'
}
number() { case $1 in '' | *[!0-9]*) printf '%s' "${2:-0}" ;; *) printf '%s' "$1" ;; esac; }
truth() { if "$@" 2>/dev/null; then printf true; else printf false; fi; }
# put ID STATUS KEY JSON
put() {
  wslgpu_seen="$wslgpu_seen$1 "
  wslgpu_out="$wslgpu_out${wslgpu_out:+, }\"$1\": {\"status\": \"$2\", \"$3\": $4}"
}
observed() { put "$1" observed value "$2"; }
unknown() { put "$1" unknown reason "$(text "$2")"; }
first_line() { { IFS= read -r wslgpu_line || [ -n "$wslgpu_line" ]; } 2>/dev/null <"$1" && printf '%s' "$wslgpu_line"; }
is_text() { [ -f "$1" ] && [ -r "$1" ]; }
# The end of a command within its time, its output bounded, its status on the last line.
bounded() {
  { timeout -k 1 "$wslgpu_limit_s" "$@"; printf '\n%s' "$?"; } </dev/null 2>/dev/null | head -c 65536
}
word_version() {
  for wslgpu_word in $1; do
    wslgpu_word=${wslgpu_word%,}
    wslgpu_word=${wslgpu_word#v}
    case $wslgpu_word in [0-9]*.*) printf '%s' "$wslgpu_word"; return ;; esac
  done
}
# program ID NAME [with path]: path and version of a program, null where there is none
program() {
  wslgpu_path=$(command -v "$2" 2>/dev/null)
  case $wslgpu_path in
  /*) ;;
  *) observed "$1" null; return ;;
  esac
  if [ -z "$wslgpu_timeout" ]; then unknown "$1" "no python3 and no timeout on the node"; return; fi
  wslgpu_said=$(bounded "$wslgpu_path" --version)
  case ${wslgpu_said##*
} in
  0) ;;
  124 | 137) put "$1" hang reason "$(text "$2 did not end within its time and was killed")"; return ;;
  *) unknown "$1" "$2 --version did not end with 0"; return ;;
  esac
  set -f
  wslgpu_version=$(word_version "${wslgpu_said%%
*}")
  set +f
  case $3 in
  path) observed "$1" "{\"path\": $(text "$wslgpu_path"), \"version\": $(text "$wslgpu_version")}" ;;
  *) observed "$1" "{\"version\": $(text "$wslgpu_version")}" ;;
  esac
}
# mount ID POINT [with source]: null where nothing is mounted there
mounted() {
  wslgpu_found=null
  while read -r wslgpu_source wslgpu_point wslgpu_kind wslgpu_options wslgpu_rest; do
    [ "$wslgpu_point" = "$2" ] || continue
    wslgpu_found="{\"filesystem\": $(text "$wslgpu_kind"), \"options\": $(text "$wslgpu_options")"
    [ "$3" = source ] && wslgpu_found="$wslgpu_found, \"source\": $(text "$wslgpu_source")"
    wslgpu_found="$wslgpu_found}"
  done </proc/mounts
  observed "$1" "$wslgpu_found"
}
mount_kind() {
  wslgpu_kind_found=none wslgpu_options_found=""
  while read -r wslgpu_source wslgpu_point wslgpu_kind wslgpu_options wslgpu_rest; do
    [ "$wslgpu_point" = "$1" ] && wslgpu_kind_found=$wslgpu_kind wslgpu_options_found=$wslgpu_options
  done </proc/mounts
}

# the system
observed system.kernel "{\"release\": $(text "$(first_line /proc/sys/kernel/osrelease)"), \"version\": $(text "$(first_line /proc/version)"), \"machine\": $(text "$(uname -m)")}"
wslgpu_id="" wslgpu_number="" wslgpu_codename="" wslgpu_pretty=
if is_text /etc/os-release; then
  while IFS='=' read -r wslgpu_key wslgpu_value; do
    wslgpu_value=${wslgpu_value#[\"\']}
    wslgpu_value=${wslgpu_value%[\"\']}
    case $wslgpu_key in
    ID) wslgpu_id=$wslgpu_value ;;
    VERSION_ID) wslgpu_number=$wslgpu_value ;;
    VERSION_CODENAME) wslgpu_codename=$wslgpu_value ;;
    PRETTY_NAME) wslgpu_pretty=$wslgpu_value ;;
    esac
  done </etc/os-release
fi
observed system.os_release "{\"id\": $(text "$wslgpu_id"), \"version_id\": $(text "$wslgpu_number"), \"codename\": $(text "$wslgpu_codename"), \"pretty_name\": $(text "$wslgpu_pretty")}"
observed system.pid1 "$(text "$(first_line /proc/1/comm)")"
wslgpu_total=0 wslgpu_available=0 wslgpu_swap=0
while read -r wslgpu_key wslgpu_value wslgpu_rest; do
  case $wslgpu_key in
  MemTotal:) wslgpu_total=$((wslgpu_value * 1024)) ;;
  MemAvailable:) wslgpu_available=$((wslgpu_value * 1024)) ;;
  SwapTotal:) wslgpu_swap=$((wslgpu_value * 1024)) ;;
  esac
done </proc/meminfo
# some shells count with 32 bits only
if [ $((1048576 * 1048576)) -gt 0 ]; then wslgpu_wide=yes; else wslgpu_wide=; fi
[ -z "$wslgpu_wide" ] || observed system.memory "{\"total_bytes\": $wslgpu_total, \"available_bytes\": $wslgpu_available, \"swap_total_bytes\": $wslgpu_swap}"
observed system.cpus "$(number "$(nproc 2>/dev/null || grep -c ^processor /proc/cpuinfo)" 1)"
read -r wslgpu_value wslgpu_rest </proc/uptime
observed system.uptime "{\"seconds\": $wslgpu_value}"
observed system.lab "{\"stand_in\": $(truth test -e /etc/wslgpu-lab)}"
wslgpu_kind=$(first_line /run/systemd/container)
[ -e /run/.containerenv ] && wslgpu_kind=podman
[ -e /.dockerenv ] && wslgpu_kind=docker
[ -e /run/secrets/kubernetes.io ] && wslgpu_kind=kubernetes
[ "$wslgpu_kind" = wsl ] && wslgpu_kind=
observed system.container "{\"in_container\": $(truth test -n "$wslgpu_kind"), \"kind\": $(text "${wslgpu_kind:-none}")}"
# fundamental block size, blocks, blocks available, inodes free
wslgpu_room() { stat -f -c '%S %b %a %d' "$1" 2>/dev/null; }
set -- $(wslgpu_room /)
if [ $# = 4 ] && [ -n "$wslgpu_wide" ]; then
  mount_kind /
  wslgpu_value=false
  case ,$wslgpu_options_found, in *,ro,*) wslgpu_value=true ;; esac
  observed system.root_filesystem "{\"filesystem\": $(text "$wslgpu_kind_found"), \"read_only\": $wslgpu_value, \"size_bytes\": $(($1 * $2)), \"available_bytes\": $(($1 * $3)), \"inodes_available\": $4}"
fi
set -- $(wslgpu_room /dev/shm)
if [ $# = 4 ] && [ -n "$wslgpu_wide" ]; then
  mount_kind /dev/shm
  observed system.dev_shm "{\"filesystem\": $(text "$wslgpu_kind_found"), \"size_bytes\": $(($1 * $2)), \"available_bytes\": $(($1 * $3))}"
elif [ ! -e /dev/shm ]; then
  observed system.dev_shm null
fi

# WSL
wslgpu_value=false
case $(first_line /proc/sys/kernel/osrelease) in *[Mm]icrosoft*) wslgpu_value=true ;; esac
wslgpu_interop=false wslgpu_enabled=false
for wslgpu_file in /proc/sys/fs/binfmt_misc/WSLInterop*; do
  [ -e "$wslgpu_file" ] || continue
  wslgpu_interop=true
  case $(first_line "$wslgpu_file") in enabled*) wslgpu_enabled=true ;; esac
done
observed wsl.signals "{\"osrelease\": $wslgpu_value, \"dxg\": $(truth test -e /dev/dxg), \"interop\": $wslgpu_interop, \"run_wsl\": $(truth test -d /run/WSL), \"init_rootfs\": $(truth test -e /init)}"
wslgpu_value=false
case $wslgpu_session_path in */mnt/*/[Ww]indows* | */mnt/*/WINDOWS*) wslgpu_value=true ;; esac
observed wsl.interop "{\"registered\": $wslgpu_interop, \"enabled\": $wslgpu_enabled, \"windows_on_path\": $wslgpu_value}"
if [ -e /dev/dxg ]; then
  wslgpu_mode=$(stat -c %a /dev/dxg 2>/dev/null)
  wslgpu_error=
  if (: <>/dev/dxg) 2>/dev/null; then wslgpu_value=true; else wslgpu_value=false wslgpu_error='cannot be opened'; fi
  observed wsl.dxg "{\"exists\": true, \"character_device\": $(truth test -c /dev/dxg), \"mode\": $(text "0${wslgpu_mode#0}"), \"openable\": $wslgpu_value, \"error\": $(text "$wslgpu_error")}"
else
  observed wsl.dxg '{"exists": false, "character_device": false, "mode": "", "openable": false, "error": "No such file or directory"}'
fi
if is_text /etc/wsl.conf; then
  # $(...) drops line ends that nothing follows
  wslgpu_value=$(head -c 16384 /etc/wsl.conf && printf .)
  observed wsl.conf "{\"text\": $(text "${wslgpu_value%.}")}"
elif [ ! -e /etc/wsl.conf ]; then
  observed wsl.conf null
fi
observed wsl.ld_conf "{\"exists\": $(truth test -e /etc/ld.so.conf.d/ld.wsl.conf), \"names_wsl_lib\": $(truth grep -qx '[[:space:]]*/usr/lib/wsl/lib[[:space:]]*' /etc/ld.so.conf.d/ld.wsl.conf)}"
mounted wsl.lib_mount /usr/lib/wsl/lib source
mounted wsl.drivers_mount /usr/lib/wsl/drivers source
mounted wsl.automount /mnt/c
if [ -d /usr/lib/wsl/lib ]; then
  wslgpu_names="" wslgpu_links="" wslgpu_empty=""
  # names of libraries have no spaces; one that has is not told
  for wslgpu_file in /usr/lib/wsl/lib/*; do
    case $wslgpu_file in *[[:space:]]*) continue ;; esac
    [ -e "$wslgpu_file" ] || [ -L "$wslgpu_file" ] || continue
    wslgpu_names="$wslgpu_names ${wslgpu_file##*/}"
    if [ -L "$wslgpu_file" ]; then
      wslgpu_links="$wslgpu_links ${wslgpu_file##*/}"
    elif [ -f "$wslgpu_file" ] && [ ! -s "$wslgpu_file" ]; then
      wslgpu_empty="$wslgpu_empty ${wslgpu_file##*/}"
    fi
  done
  set -f
  observed wsl.lib_files "{\"names\": $(list $wslgpu_names), \"links\": $(list $wslgpu_links), \"empty\": $(list $wslgpu_empty)}"
  set +f
else
  observed wsl.lib_files null
fi
wslgpu_stores="" wslgpu_count=0
for wslgpu_folder in /usr/lib/wsl/drivers/*/; do
  [ -d "$wslgpu_folder" ] && [ "$wslgpu_count" -lt 64 ] || continue
  wslgpu_names="" wslgpu_cuda=false wslgpu_vendor=other
  for wslgpu_file in "$wslgpu_folder"*.so "$wslgpu_folder"*.so.* "$wslgpu_folder"nvidia-smi; do
    case $wslgpu_file in *[[:space:]]*) continue ;; esac
    [ -e "$wslgpu_file" ] || continue
    wslgpu_names="$wslgpu_names ${wslgpu_file##*/}"
    case ${wslgpu_file##*/} in
    libcuda.so*) wslgpu_cuda=true wslgpu_vendor=nvidia ;;
    libcuda* | libnv*) wslgpu_vendor=nvidia ;;
    libamd* | libatidxx*) [ $wslgpu_vendor = nvidia ] || wslgpu_vendor=amd ;;
    libigd* | libigc*) [ $wslgpu_vendor = nvidia ] || wslgpu_vendor=intel ;;
    esac
  done
  [ -n "$wslgpu_names" ] || continue
  wslgpu_name=${wslgpu_folder%/}
  wslgpu_name=${wslgpu_name##*/}
  case $wslgpu_vendor.$wslgpu_name in
  other.nv*) wslgpu_vendor=nvidia ;;
  other.u0* | other.c0* | other.amd*) wslgpu_vendor=amd ;;
  other.iigd* | other.igd* | other.igcc*) wslgpu_vendor=intel ;;
  esac
  set -f
  wslgpu_stores="$wslgpu_stores${wslgpu_stores:+, }{\"name\": $(text "$wslgpu_name"), \"vendor\": \"$wslgpu_vendor\", \"has_libcuda\": $wslgpu_cuda, \"files\": $(list $wslgpu_names)}"
  set +f
  wslgpu_count=$((wslgpu_count + 1))
done
observed wsl.driver_stores "[$wslgpu_stores]"
wslgpu_microsoft=0 wslgpu_nvidia=0 wslgpu_amd=0 wslgpu_intel=0
for wslgpu_folder in /sys/bus/pci/devices/*/; do
  case $(first_line "${wslgpu_folder}vendor").$(first_line "${wslgpu_folder}device").$(first_line "${wslgpu_folder}class") in
  0x1414.0x008e.*) wslgpu_microsoft=$((wslgpu_microsoft + 1)) ;;
  0x10de.*.0x03*) wslgpu_nvidia=$((wslgpu_nvidia + 1)) ;;
  0x1002.*.0x03*) wslgpu_amd=$((wslgpu_amd + 1)) ;;
  0x8086.*.0x03*) wslgpu_intel=$((wslgpu_intel + 1)) ;;
  esac
done
observed wsl.pci "{\"microsoft_gpu\": $wslgpu_microsoft, \"nvidia\": $wslgpu_nvidia, \"amd\": $wslgpu_amd, \"intel_gpu\": $wslgpu_intel}"
wslgpu_nodes() {
  set --
  for wslgpu_file in $wslgpu_pattern; do [ -e "$wslgpu_file" ] && set -- "$@" "${wslgpu_file#"$wslgpu_prefix"}"; done
  list "$@"
}
wslgpu_prefix="" wslgpu_pattern='/dev/nvidia*'
wslgpu_value=$(wslgpu_nodes)
wslgpu_pattern='/dev/dri/card* /dev/dri/renderD*'
observed gpu.device_nodes "{\"nvidia\": $wslgpu_value, \"dri\": $(wslgpu_nodes), \"kfd\": $(truth test -e /dev/kfd), \"proc_driver_nvidia\": $(truth test -d /proc/driver/nvidia), \"proc_driver_nvidia_gpus\": $(truth test -d /proc/driver/nvidia/gpus)}"
wslgpu_prefix=/dev/dri/ wslgpu_pattern='/dev/dri/card*'
wslgpu_value=$(wslgpu_nodes)
wslgpu_pattern='/dev/dri/renderD*'
observed display.nodes "{\"cards\": $wslgpu_value, \"render_nodes\": $(wslgpu_nodes)}"

# programs
program containerd.binary containerd path
program containerd.runc runc
program podman.binary podman path
program toolkit.ctk nvidia-ctk path
wslgpu_path=$(command -v docker 2>/dev/null)
program docker.client docker path
case $wslgpu_seen$wslgpu_out in
*'"docker.client": {"status": "observed", "value": {'*)
  wslgpu_value=false
  case $(readlink -f "$wslgpu_path" 2>/dev/null) in /mnt/wsl/docker-desktop* | /run/desktop* | /Docker/*) wslgpu_value=true ;; esac
  wslgpu_out="${wslgpu_out%?\}}, \"from_desktop\": $wslgpu_value}}"
  ;;
esac
if command -v dpkg-query >/dev/null 2>&1; then
  wslgpu_rows=$(dpkg-query -W -f '${Package} ${Version} ${db:Status-Want} ${db:Status-Status}\n' nvidia-container-toolkit \
    nvidia-container-toolkit-base libnvidia-container-tools libnvidia-container1 </dev/null 2>/dev/null)
  wslgpu_value=
  while read -r wslgpu_name wslgpu_version wslgpu_want wslgpu_state; do
    [ "$wslgpu_state" = installed ] || continue
    wslgpu_value="$wslgpu_value${wslgpu_value:+, }$(text "$wslgpu_name"): {\"version\": $(text "$wslgpu_version"), \"held\": $(truth test "$wslgpu_want" = hold)}"
  done <<WSLGPU_ROWS
$wslgpu_rows
WSLGPU_ROWS
  observed toolkit.packages "{$wslgpu_value}"
fi
wslgpu_smi=
for wslgpu_path in /usr/lib/wsl/lib/nvidia-smi "$(command -v nvidia-smi 2>/dev/null)"; do
  [ -z "$wslgpu_smi" ] && [ -x "$wslgpu_path" ] && wslgpu_smi=$wslgpu_path
done
if [ -z "$wslgpu_smi" ]; then
  unknown smi.run "there is no nvidia-smi"
elif [ -z "$wslgpu_timeout" ]; then
  unknown smi.run "no python3 and no timeout on the node"
else
  wslgpu_said=$(bounded "$wslgpu_smi" | tr -cd '\12\40-\176')
  wslgpu_exit=${wslgpu_said##*
}
  case $wslgpu_exit in
  124 | 137) put smi.run hang reason '"nvidia-smi did not end within its time and was killed"' ;;
  '' | *[!0-9]* | ????*) unknown smi.run "nvidia-smi wrote more than it may" ;;
  *)
    # after a signal, as the shell tells it
    if [ "$wslgpu_exit" -gt 128 ]; then
      put smi.run crash reason "\"nvidia-smi was killed by signal $((wslgpu_exit - 128))\""
    else
      wslgpu_line=$(printf '%s\n' "$wslgpu_said" | sed -n '/NVIDIA-SMI .*Driver Version:/{p;q;}')
      wslgpu_after() { printf '%s\n' "$wslgpu_line" | sed -n "s/.*$1 *\([0-9][0-9.]*\).*/\1/p"; }
      observed smi.run "{\"path\": $(text "$wslgpu_smi"), \"exit\": $wslgpu_exit, \"smi_version\": $(text "$(wslgpu_after NVIDIA-SMI)"), \"driver_version\": $(text "$(wslgpu_after 'Driver Version:')"), \"cuda_version\": $(text "$(wslgpu_after 'CUDA Version:')")}"
    fi
    ;;
  esac
fi

# the rest, and the document
for wslgpu_pair in $wslgpu_ids; do
  wslgpu_name=${wslgpu_pair%:*}
  case $wslgpu_seen in *" $wslgpu_name "*) continue ;; esac
  case $wslgpu_level.${wslgpu_pair#*:} in
  quick.quick | standard.quick | standard.standard | full.*) unknown "$wslgpu_name" "no python3 on the node" ;;
  *) unknown "$wslgpu_name" "needs --level ${wslgpu_pair#*:}" ;;
  esac
done
set --
if command -v ssh-keygen >/dev/null 2>&1; then
  for wslgpu_file in /etc/ssh/ssh_host_*_key.pub; do
    [ -e "$wslgpu_file" ] || continue
    wslgpu_rest=$(ssh-keygen -l -E sha256 -f "$wslgpu_file" </dev/null 2>/dev/null) || continue
    wslgpu_rest=${wslgpu_rest#* }
    set -- "$@" "${wslgpu_rest%% *}"
  done
fi
wslgpu_keys=$(list "$@")
wslgpu_value=$(first_line "/proc/$$/stat")
# clock ticks of the shell and its children, a hundredth of a second each
set -- ${wslgpu_value##*\) }
wslgpu_ticks=$((${12:-0} + ${13:-0} + ${14:-0} + ${15:-0}))
printf '\n=== wslgpu %s begin ===\n' "$wslgpu_nonce"
printf '{"schema": "wslgpu.observations/1", "probe": {"level": "%s", "view": "%s", "program": "%s", "interpreter": "sh", ' \
  "$wslgpu_level" "$wslgpu_view" "$wslgpu_program"
printf '"started": %s, "duration_s": %s, "cpu_s": %d.%02d, "uid": %s}, ' "$wslgpu_started" \
  "$(($(date +%s) - wslgpu_started))" "$((wslgpu_ticks / 100))" "$((wslgpu_ticks % 100))" "$wslgpu_uid"
printf '"identity": {"hostname": %s, "machine_id": %s, "ssh_host_keys": %s}, "stand_in": %s, "observations": {%s}}\n' \
  "$(text "$(uname -n)")" "$(text "$(first_line /etc/machine-id)")" "$wslgpu_keys" "$(truth test -e /etc/wslgpu-lab)" "$wslgpu_out"
printf '=== wslgpu %s end ===\n' "$wslgpu_nonce"
