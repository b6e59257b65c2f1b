# shellcheck shell=sh
# Included: fetch a file, through the site's proxy if it has one, or end with what stood in the way.

# use_proxy: take the proxy's variables, which base writes for sh and systemd alike.
use_proxy() {
    if [ -r /etc/wslgpu/proxy.env ]; then
        set -a
        # shellcheck disable=SC1091
        . /etc/wslgpu/proxy.env
        set +a
    fi
}

# download_file URL FILE SECONDS WHAT [LIMIT]: FILE is complete, or the script has ended. LIMIT is bytes, 10 MB by itself.
download_file() {
    use_proxy
    _result=0
    _status=$(curl --silent --show-error --location --fail --proto '=http,https' --proto-redir '=http,https' \
        --connect-timeout 20 --max-time "$3" --speed-limit 1000 --speed-time 30 --retry 2 --retry-max-time "$3" \
        --max-filesize "${5:-10000000}" --output "$2" --write-out '%{http_code}' "$1" 2>"$2.error") || _result=$?
    _words=$(tail -n 1 "$2.error" 2>/dev/null | cut -c1-200) || _words=""
    rm -f "$2.error"
    [ "$_result" != 0 ] || return 0
    rm -f "$2"
    case $_result in
    5 | 6) fail "network retryable" "$4: DNS gives no address for $1 ($_words)" "Mend name resolution (/etc/resolv.conf), then run again." ;;
    35 | 51 | 58 | 60 | 77 | 83 | 90 | 91) fail integrity "$4: the TLS connection to $1 cannot be trusted ($_words)" \
        "Behind a proxy that opens TLS, name the company's CA as ca_file in site.yml." ;;
    23) fail platform "$4: no space left, or read-only" "Free space in ${2%/*}." ;;
    22) case $_status in
        408 | 425 | 429 | 5??) fail "network retryable" "$4: $1 answered $_status" "Try again later." ;;
        *) fail platform "$4: $1 answered $_status" "Check the address." ;;
        esac ;;
    63) fail integrity "$4: $1 is larger than $((${5:-10000000} / 1000000)) MB" "Check the address." ;;
    *) fail "network retryable" "$4: $1 could not be fetched ($_words)" "Check the connection and the proxy, then run again." ;;
    esac
}
