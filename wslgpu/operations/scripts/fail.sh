# shellcheck shell=sh
# fail.sh CLASS WHAT NEXT [CLASS WHAT NEXT ...]: report each problem and end without having changed anything.
while [ "$#" -ge 3 ]; do
    problem "$1" "$2" "$3"
    shift 3
done
exit 1
