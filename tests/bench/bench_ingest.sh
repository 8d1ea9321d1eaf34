#!/usr/bin/env bash
# bench_ingest: events from HTTP into a real Kafka, beside what HTTP alone costs, in one run.
#
# Starts a private stack (deploy/local/up: one Kafka, ingest with its defaults; the loader is stopped) and a civetweb
# server that reads a body and answers (bench_bare_hook.c), loads them in turn with wrk, and ends as if it had never run.
# Not a test: it fails only when an answer is not 200, for then its figures mean nothing. How to read it: README.md.
set -euo pipefail

USAGE='tests/bench/bench_ingest.sh [--rounds N] [--seconds N] [--cases "EVENTS:CONNECTIONS .."]'
BENCH=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
for file in common install; do
    # shellcheck source=/dev/null
    . "$BENCH/../../deploy/local/lib/$file.sh"
done

readonly NEEDS_LOAD='
wrk cmd wrk'
readonly HOOK_THREADS=512    # what ingest has at most; connections above it would wait
readonly DIFFERENT_EVENTS=10000
ROUNDS=3 SECONDS_EACH=8 CASES='1:64 100:64'

help() {
    cat <<TEXT
usage: $USAGE

Measures backstitch-ingest with a real local Kafka against a bare civetweb server: events/s, CPU per
event, peak RSS, latency; minimum, median and maximum of the rounds. The last line has the ratios.

  --rounds N    runs of each, alternating (default $ROUNDS)
  --seconds N   length of a run (default $SECONDS_EACH)
  --cases LIST  events per request and connections of each case (default "$CASES";
                a good longer list: "1:64 1:256 100:64 1000:64")
  --help        this text

Installs wrk, and what deploy/local/up needs, when they are missing (apt-get, as root or with sudo).
Takes free ports and a temporary folder; leaves nothing behind but build/.
TEXT
}

parse_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h) help && exit 0 ;;
            --rounds | --seconds | --cases) [ $# -ge 2 ] || bad_usage "$1 needs a value" ;;
            *) bad_usage "unknown argument '$1'" ;;
        esac
        case $1 in
            --rounds) ROUNDS=$2 ;;
            --seconds) SECONDS_EACH=$2 ;;
            --cases) CASES=$2 ;;
        esac
        shift 2
    done
    [[ $ROUNDS =~ ^[1-9][0-9]?$ ]] || bad_usage "--rounds is '$ROUNDS': a number from 1 to 99 is needed"
    [[ $SECONDS_EACH =~ ^[1-9][0-9]?$ ]] || bad_usage "--seconds is '$SECONDS_EACH': a number from 1 to 99 is needed"
    [[ $CASES =~ ^([1-9][0-9]{0,3}:[1-9][0-9]{0,2}( |$))+$ ]] || bad_usage "--cases is '$CASES': for example \"1:64 100:64\""
}

# --- the two servers --------------------------------------------------------------------------------

free_port() {
    PYTHONPATH=$BENCH/../support python3 -c "import ports; print(ports.$1())"
}

# Kafka and ingest. The loader would take CPU from them.
stack_up() {
    unset KAFKA_BROKERS DATABASE_URL
    BACKSTITCH_STATE=$FOLDER/stack
    BACKSTITCH_PORT_BASE=$(free_port free_port_base)
    export BACKSTITCH_STATE BACKSTITCH_PORT_BASE
    say stack "starting (Kafka, ingest)"
    "$LOCAL_DIR/up" --no-sample >"$FOLDER/up.log" 2>&1 </dev/null || die_with_log stack "does not start" "$FOLDER/up.log"
    kill "$(<"$BACKSTITCH_STATE/run/loader.pid")"
    # shellcheck source=/dev/null
    . "$BACKSTITCH_STATE/env"
    INGEST_PID=$(<"$BACKSTITCH_STATE/run/ingest.pid")
    KAFKA_PID=$(<"$BACKSTITCH_STATE/run/kafka.pid")
}

hook_up() {
    local port
    port=$(free_port free_port)
    HOOK_URL=http://127.0.0.1:$port
    cc -O2 -o "$FOLDER/bare_hook" "$BENCH/bench_bare_hook.c" -lcivetweb -lpthread
    "$FOLDER/bare_hook" "$port" "$HOOK_THREADS" 8>&- 9>&- &
    HOOK_PID=$!
    wait_until 5 curl --noproxy '*' -s -o "$FOLDER/answer" "$HOOK_URL/" || die hook "does not answer on $HOOK_URL"
}

clean_up() {
    [ -z "${HOOK_PID:-}" ] || kill "$HOOK_PID" 2>/dev/null || true
    [ -z "${BACKSTITCH_STATE:-}" ] || "$LOCAL_DIR/down" --wipe >"$FOLDER/down.log" 2>&1 || cat "$FOLDER/down.log" >&2
    rm -rf -- "$FOLDER"
}

# --- measuring --------------------------------------------------------------------------------------

# CPU time of a process so far, in clock ticks.
cpu_ticks() {
    local stat fields
    stat=$(<"/proc/$1/stat")
    read -ra fields <<<"${stat##*) }"
    echo $((fields[11] + fields[12]))
}

# Makes the kernel count a process's peak from now on.
rss_peak_reset() {
    echo 5 >"/proc/$1/clear_refs"
}

rss_peak_kib() {
    awk '/^VmHWM/ {print $2}' "/proc/$1/status"
}

# load EVENTS CONNECTIONS URL SECONDS: a run of wrk; prints its result line (bench_ingest.lua).
load() {
    local url=$3/v1/batch credential
    credential="Basic $(printf '%s:' "$WRITE_KEY" | base64 -w 0)"
    if [ "$1" -eq 1 ]; then
        url=$3/webhook/$SOURCE_SLUG
        credential="Bearer $WEBHOOK_TOKEN"
    fi
    wrk -t 2 -c "$2" -d "${4}s" --timeout 10s -s "$BENCH/bench_ingest.lua" "$url" -- \
        "$FOLDER/bodies-$1" "$credential" >"$FOLDER/wrk.log" 2>&1 || die_with_log wrk failed "$FOLDER/wrk.log"
    grep '^result ' "$FOLDER/wrk.log" || die_with_log wrk "printed no result" "$FOLDER/wrk.log"
}

# measure SERVER PID URL EVENTS CONNECTIONS: adds a line to results: case, server, events/s, CPU us per event, peak RSS in
# MB, p50 and p99 in ms, CPU us per event of Kafka.
measure() {
    local before kafka_before ticks kafka_ticks word requests duration errors p50 p99
    rss_peak_reset "$2"
    before=$(cpu_ticks "$2") kafka_before=$(cpu_ticks "$KAFKA_PID")
    read -r word requests duration errors p50 p99 < <(load "$4" "$5" "$3" "$SECONDS_EACH")
    ticks=$(($(cpu_ticks "$2") - before)) kafka_ticks=$(($(cpu_ticks "$KAFKA_PID") - kafka_before))
    [ "${word:-}" = result ] || die "$1" "could not be measured"
    [ "$errors" -eq 0 ] || die "$1" "$errors of $requests requests failed: no figures"
    awk -v hz="$(getconf CLK_TCK)" -v events=$((requests * $4)) -v us="$duration" -v ticks="$ticks" -v kafka="$kafka_ticks" \
        -v rss="$(rss_peak_kib "$2")" -v p50="$p50" -v p99="$p99" -v name="$4:$5 $1" \
        'BEGIN { each = 1e6 / hz / events
                 printf "%s %.0f %.2f %.1f %.2f %.2f %.2f\n", name, events / us * 1e6, ticks * each, rss / 1024,
                     p50 / 1000, p99 / 1000, kafka * each }' >>"$FOLDER/results"
    say "$1" "$4 a request, $5 connections: $(tail -n 1 "$FOLDER/results" | cut -d ' ' -f 3) events/s"
}

# --- reporting --------------------------------------------------------------------------------------

# spread CASE SERVER FIELD: minimum, median and maximum of a column of the results.
spread() {
    awk -v c="$1" -v s="$2" -v f="$3" '$1 == c && $2 == s {print $f}' "$FOLDER/results" | sort -g |
        awk '{v[NR] = $1} END {print v[1], v[int((NR + 1) / 2)], v[NR]}'
}

report_case() {
    local case=$1 server format='  %-10s %-16s %10s %10s %10s\n'
    echo
    echo "${case%:*} event(s) a request, ${case#*:} connections"
    # shellcheck disable=SC2059 # one format for all lines
    printf "$format" '' '' minimum median maximum
    for server in bare ingest; do
        # shellcheck disable=SC2046,SC2059 # three words
        {
            printf "$format" "$server" events/s $(spread "$case" "$server" 3)
            printf "$format" '' 'CPU us/event' $(spread "$case" "$server" 4)
            printf "$format" '' 'peak RSS MB' $(spread "$case" "$server" 5)
            printf "$format" '' 'p50 ms' $(spread "$case" "$server" 6)
            printf "$format" '' 'p99 ms' $(spread "$case" "$server" 7)
        }
    done
    # shellcheck disable=SC2046,SC2059
    printf "$format" Kafka 'CPU us/event' $(spread "$case" ingest 8)
}

# The medians' ratio of each case in one line.
report_ratios() {
    local case bare ingest line=
    for case in $CASES; do
        bare=$(spread "$case" bare 3 | cut -d ' ' -f 2) ingest=$(spread "$case" ingest 3 | cut -d ' ' -f 2)
        line+="${line:+; }$(awk "BEGIN {printf \"%.2f\", $ingest / $bare}") of the bare hook at $case"
    done
    echo
    echo "ratio: $line (events a request:connections, medians of events/s)"
}

main() {
    local case events connections round
    parse_arguments "$@"
    FOLDER=$(mktemp -d)
    trap clean_up EXIT
    install_needs "$FOLDER/packages.log" "$NEEDS_BASE$NEEDS_BUILD$NEEDS_LOAD"
    stack_up
    hook_up
    echo "$(nproc) cores, load average before $(cut -d ' ' -f 1 /proc/loadavg)"
    for case in $CASES; do
        IFS=: read -r events connections <<<"$case"
        python3 "$BENCH/bench_events.py" "$events" $(((DIFFERENT_EVENTS + events - 1) / events)) >"$FOLDER/bodies-$events"
        load "$events" "$connections" "$INGEST_URL" 3 >"$FOLDER/warm-up"
    done
    for ((round = 1; round <= ROUNDS; round++)); do
        for case in $CASES; do
            IFS=: read -r events connections <<<"$case"
            measure bare "$HOOK_PID" "$HOOK_URL" "$events" "$connections"
            measure ingest "$INGEST_PID" "$INGEST_URL" "$events" "$connections"
        done
    done
    for case in $CASES; do
        report_case "$case"
    done
    report_ratios
}

main "$@"
