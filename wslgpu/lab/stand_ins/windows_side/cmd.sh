#!/bin/sh
# Stand-in of the wslgpu lab, not Windows' cmd.exe: knows one variable of Windows, the profile of the user "lab".
case "${1:-} ${2:-}" in
"/C echo %USERPROFILE%" | "/c echo %USERPROFILE%") printf 'C:\\Users\\lab\r\n' ;;
*)
    echo "cmd.exe: stand-in of the wslgpu lab, not Microsoft's program; it answers /C \"echo %USERPROFILE%\" only" >&2
    exit 1
    ;;
esac
