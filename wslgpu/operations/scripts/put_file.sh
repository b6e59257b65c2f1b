# shellcheck shell=sh
# put_file.sh PATH MODE OWNER SHA256 <base64
put_file "$1" "$2" "$3" "$4"
