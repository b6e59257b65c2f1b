# shellcheck shell=sh
# removal_users.sh [user NAME UID | group NAME GID]...: accounts that came with packages of ours, which leave them behind.
# One that has another number by now, runs something, owns a file, or is somebody's primary group, stays: the next account
# would get its number. Empty folders that packages left to one that goes, go too.
places="/etc /home /opt /root /srv /usr/local /var"
owned() { # user|group NUMBER: the first path of that account's
    # shellcheck disable=SC2086
    _file=$(find $places -xdev "-$1" "$2" ! -type d -print -quit 2>/dev/null || true)
    if [ -n "$_file" ]; then
        echo "$_file"
        return 0
    fi
    # shellcheck disable=SC2086
    find $places -xdev -depth -type d "-$1" "$2" -empty -delete 2>/dev/null || true
    # shellcheck disable=SC2086
    find $places -xdev "-$1" "$2" -print -quit 2>/dev/null
}
while [ "$#" -ge 3 ]; do
    case $1 in
    user)
        if [ "$(id -u "$2" 2>/dev/null)" = "$3" ] && [ -z "$(pgrep -u "$3" 2>/dev/null)" ] && [ -z "$(owned user "$3")" ]; then
            userdel "$2" || fail platform "the user $2 cannot be removed" "userdel $2 says more."
        fi
        ;;
    group)
        if [ "$(getent group "$2" | cut -d: -f3)" = "$3" ] && [ -z "$(getent group "$2" | cut -d: -f4)" ] &&
            ! cut -d: -f4 /etc/passwd | grep -qx "$3" && [ -z "$(owned group "$3")" ]; then
            groupdel "$2" || fail platform "the group $2 cannot be removed" "groupdel $2 says more."
        fi
        ;;
    esac
    shift 3
done
