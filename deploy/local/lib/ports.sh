# shellcheck shell=bash disable=SC2034 # LOADERS_MAX is for who sources this
# ports.sh: which part listens where, and who holds a port that should be free.
#
# All ports follow from one base (BACKSTITCH_PORT_BASE, 8080 unless set). The base is kept with the
# stack, so that `down`, `restart` and the like need not be told again.
# Global set here: PORT_BASE (by ports_decide).

readonly PORT_BASE_DEFAULT=8080
readonly LOADERS_MAX=10

# Decides PORT_BASE: environment, else what the stack has, else the default.
ports_decide() {
    local kept
    kept=$(conf_get port_base)
    PORT_BASE=${BACKSTITCH_PORT_BASE:-${kept:-$PORT_BASE_DEFAULT}}
    if ! [[ $PORT_BASE =~ ^[0-9]{1,5}$ ]] || [ "$PORT_BASE" -lt 1024 ] || [ "$PORT_BASE" -gt 65503 ]; then
        bad_usage "BACKSTITCH_PORT_BASE is '$PORT_BASE': a number from 1024 to 65503 is needed, for example 9080"
    fi
    PORT_BASE=$((10#$PORT_BASE))
    if [ -n "$kept" ] && [ "$kept" != "$PORT_BASE" ] && process_any; then
        die ports "this stack runs with port base $kept, BACKSTITCH_PORT_BASE is $PORT_BASE: run deploy/local/down first, or set BACKSTITCH_STATE too"
    fi
}

# port_of NAME: ingest, ingest-admin, loader, loader-2 .., kafka, kafka-controller, prometheus, proxy, postgres.
port_of() {
    case $1 in
        ingest) echo $((PORT_BASE)) ;;
        ingest-admin) echo $((PORT_BASE + 1)) ;;
        loader) echo $((PORT_BASE + 2)) ;;
        loader-*) echo $((PORT_BASE + 1 + ${1#loader-})) ;;
        kafka) echo $((PORT_BASE + 12)) ;;
        kafka-controller) echo $((PORT_BASE + 13)) ;;
        prometheus) echo $((PORT_BASE + 20)) ;;
        proxy) echo $((PORT_BASE + 21)) ;;
        postgres) echo $((PORT_BASE + 32)) ;;
    esac
}

# Who listens on a TCP port: "java (pid 12)"; nothing when it is free.
port_holder() {
    local line
    line=$(ss -Hltnp "sport = :$1" | head -n 1)
    [ -n "$line" ] || return 0
    if [[ $line =~ \"([^\"]*)\",pid=([0-9]+) ]]; then
        echo "${BASH_REMATCH[1]} (pid ${BASH_REMATCH[2]})"
    else
        echo "a process of another user"
    fi
}

# port_require_free PART PORT...: ends the script when one is taken. Of a process that was killed a moment ago threads may
# still be ending, with its sockets, when nothing else is seen of it: a holder without a name gets 5 s.
port_require_free() {
    local part=$1 port holder tries
    shift
    for port; do
        holder=$(port_holder "$port")
        for ((tries = 0; tries < 50; tries++)); do
            [[ $holder == 'a process of'* ]] || break
            sleep 0.1
            holder=$(port_holder "$port")
        done
        [ -z "$holder" ] ||
            die "$part" "port $port is taken by $holder: stop it, or choose other ports with BACKSTITCH_PORT_BASE (now $PORT_BASE)"
    done
}

# port_is_open PORT: something accepts connections on it.
port_is_open() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}
