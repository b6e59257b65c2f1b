# shellcheck shell=sh
# Included: what was sent from a bundle, compared with its hashes before anything is done with it.

# take_in FOLDER SHA256...: each file is in FOLDER/files then, root's, with its hash; what is not whole is thrown away.
take_in() {
    _folder=$1
    shift
    _lacking="" _altered=""
    for _sum in "$@"; do
        if [ -f "$_folder/incoming/$_sum" ] && [ ! -L "$_folder/incoming/$_sum" ]; then
            mv -fT "$_folder/incoming/$_sum" "$_folder/files/$_sum" || fail platform "cannot rename in $_folder" "Check the file system."
            chown root:root "$_folder/files/$_sum"
            chmod 644 "$_folder/files/$_sum"
        fi
        if [ ! -f "$_folder/files/$_sum" ] || [ -L "$_folder/files/$_sum" ]; then
            _lacking="$_lacking $_sum"
        elif [ "$(sha256sum <"$_folder/files/$_sum" | cut -d' ' -f1)" != "$_sum" ]; then
            rm -f "$_folder/files/$_sum"
            _altered="$_altered $_sum"
        fi
    done
    [ -n "$_lacking$_altered" ] || return 0
    _free=$(($(df --output=avail -k "$_folder" | tail -n 1) * 1024))
    if [ "$_free" -lt 1048576 ]; then
        fail platform "no space left in $_folder: what was sent did not arrive whole" "Free space there; df -h shows where. What came is kept."
    fi
    if [ -n "$_lacking" ]; then
        fail "network retryable" "$(echo "$_lacking" | wc -w) of the files that were sent did not arrive" \
            "Check that the node's sshd lets files be sent (Subsystem sftp), then run again: what came is kept."
    fi
    fail "integrity retryable" "$(echo "$_altered" | wc -w) of the files that were sent arrived with another hash, and were thrown away" \
        "Run it again. Should it stay so, look at the bundle: wslgpu bundle verify."
}

# give_up FOLDER SHA256...: the files are used, and go; the folder as well, when nothing else is in it.
give_up() {
    _folder=$1
    shift
    for _sum in "$@"; do rm -f "$_folder/files/$_sum" "$_folder/incoming/$_sum"; done
    rmdir "$_folder/files" "$_folder/incoming" "$_folder" 2>/dev/null || true
}
