#!/bin/sh
# Stand-in of the wslgpu lab, not Microsoft's program: answers what a WSL 2.6.3 with default settings would.
newline='\n'
answer=
for word in "$@"; do
    case "$word" in
    -n) newline= ;;
    --networking-mode) answer=nat ;;
    --wsl-version) answer=2.6.3.0 ;;
    --vm-id) answer='{00000000-0000-4000-8000-000000000000}' ;;
    --msal-proxy-path) answer= ;;
    --help | --version)
        echo "wslinfo: stand-in of the wslgpu lab, not Microsoft's program"
        echo "usage: wslinfo [-n] --networking-mode | --wsl-version | --vm-id"
        exit 0
        ;;
    *)
        echo "Invalid command line argument: $word (stand-in of the wslgpu lab)" >&2
        exit 1
        ;;
    esac
done
if [ -z "$answer" ]; then
    echo "usage: wslinfo [-n] --networking-mode | --wsl-version | --vm-id (stand-in of the wslgpu lab)" >&2
    exit 1
fi
printf "%s$newline" "$answer"
