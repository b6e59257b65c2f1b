#!/bin/sh
# Stand-in of the wslgpu lab, not Microsoft's program: translates between /mnt/<drive> and <DRIVE>:\.
mode=-u
path=
for word in "$@"; do
    case "$word" in
    -a) ;; # absolute: every answer here is
    -u | -w | -m) mode=$word ;;
    -au | -aw | -am) mode=-${word#-a} ;;
    --help | --version)
        echo "wslpath: stand-in of the wslgpu lab, not Microsoft's program"
        echo "usage: wslpath [-a] [-u | -w | -m] PATH"
        exit 0
        ;;
    *) path=$word ;;
    esac
done
if [ -z "$path" ]; then
    echo "usage: wslpath [-a] [-u | -w | -m] PATH (stand-in of the wslgpu lab)" >&2
    exit 1
fi

case "$mode" in
-u)
    slashed=$(printf '%s' "$path" | tr '\134' /)
    case "$slashed" in
    [A-Za-z]:/*)
        drive=$(printf '%s' "$slashed" | cut -c1 | tr '[:upper:]' '[:lower:]')
        printf '/mnt/%s/%s\n' "$drive" "${slashed#?:/}"
        ;;
    *) printf '%s\n' "$slashed" ;;
    esac
    ;;
*)
    case "$path" in
    /mnt/[a-z] | /mnt/[a-z]/*)
        rest=${path#/mnt/}
        drive=$(printf '%s' "$rest" | cut -c1 | tr '[:lower:]' '[:upper:]')
        rest=${rest#?}
        windows="$drive:/${rest#/}"
        ;;
    /*) windows="//wsl.localhost/Lab$path" ;;
    *)
        echo "wslpath: $path (stand-in of the wslgpu lab: relative paths are not translated)" >&2
        exit 1
        ;;
    esac
    if [ "$mode" = -m ]; then
        printf '%s\n' "$windows"
    else
        printf '%s\n' "$windows" | tr / '\134'
    fi
    ;;
esac
