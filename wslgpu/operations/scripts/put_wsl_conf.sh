# shellcheck shell=sh
# put_wsl_conf.sh SHA256 STARTED <base64: /etc/wsl.conf becomes this text.
# STARTED is when the running distro had begun. What it read then is kept until it ends (/run), so that what differs can
# be named at every later run.
if [ ! -e /run/wslgpu/wsl.conf.at-start ] && [ "$(stat -c %Y /etc/wsl.conf 2>/dev/null || echo 0)" -le "$2" ]; then
    mkdir -p /run/wslgpu
    new=$(mktemp /run/wslgpu/.wsl.conf.XXXXXX)
    if [ -f /etc/wsl.conf ]; then cat /etc/wsl.conf >"$new"; fi
    chmod 644 "$new"
    mv -fT "$new" /run/wslgpu/wsl.conf.at-start
fi
put_file /etc/wsl.conf 644 root:root "$1"
