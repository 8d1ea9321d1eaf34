#!/usr/bin/env bash
# bench_ingest: ingest against the bare civetweb hook, in one run on one machine: requests a second,
# latency, CPU per event, and the ratio. One event of 1.5 KB a request over 64 connections.
#
# usage: bench_ingest.sh BUILD-FOLDER [SECONDS]
# BENCH_KAFKA_BROKERS: a real Kafka with the topics made (prefix `segment`); without it librdkafka's mock
# cluster is used, which shares the CPU and stores nothing.
set -euo pipefail

[ $# -ge 1 ] || { echo "usage: bench_ingest.sh BUILD-FOLDER [SECONDS]" >&2; exit 2; }
readonly BUILD=$1 SECONDS_EACH=${2:-10} CONNECTIONS=64 THREADS=128
readonly HOOK_PORT=${BENCH_PORT:-28180} INGEST_PORT=$((HOOK_PORT + 1)) ADMIN_PORT=$((HOOK_PORT + 2))
folder=$(mktemp -d)
pids=()

finish() {
    kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf -- "$folder"
}
trap finish EXIT

# An event of about 1.5 KB, as a wrk script.
write_script() {
    local filling
    filling=$(printf 'x%.0s' {1..1200})
    cat >"$folder/event.lua" <<EOF
wrk.method = "POST"
wrk.headers["Authorization"] = "Bearer $1"
wrk.body = '{"type":"track","messageId":"bench-1","userId":"u1","event":"Order Completed",' ..
  '"context":{"library":{"name":"bench","version":"1"},"page":{"path":"/a","url":"https://example.org/a"}},' ..
  '"properties":{"total":12.5,"filling":"$filling"},"timestamp":"2026-12-04T10:00:00.123Z"}'
EOF
}

await() {
    for _ in $(seq 100); do
        curl -s -o "$folder/answer" "$1" && return
        read -rt 0.1 <> <(:) || true
    done
    echo "nothing answers at $1" >&2
    return 1
}

# CPU time of a process in microseconds.
cpu_us() {
    local stat ticks
    stat=$(<"/proc/$1/stat")
    read -ra ticks <<<"${stat##*) }"
    echo $(((ticks[11] + ticks[12]) * 1000000 / $(getconf CLK_TCK)))
}

# measure NAME PID URL: prints a line, sets `rate`.
measure() {
    local before after requests
    before=$(cpu_us "$2")
    wrk -t 2 -c "$CONNECTIONS" -d "${SECONDS_EACH}s" --latency -s "$folder/event.lua" "$3" >"$folder/wrk.txt"
    after=$(cpu_us "$2")
    requests=$(awk '/requests in/ {print $1}' "$folder/wrk.txt")
    rate=$(awk '/Requests\/sec/ {print $2}' "$folder/wrk.txt")
    printf '%-10s %8.0f requests/s   p50 %s   p99 %s   CPU %s us/event   %s\n' "$1" "$rate" \
        "$(awk '$1 == "50%" {print $2}' "$folder/wrk.txt")" "$(awk '$1 == "99%" {print $2}' "$folder/wrk.txt")" \
        "$(awk "BEGIN {printf \"%.1f\", ($after - $before) / $requests}")" \
        "$(grep -o 'Non-2xx.*' "$folder/wrk.txt" || true)"
}

export KAFKA_BROKERS=${BENCH_KAFKA_BROKERS:-}
if [ -z "$KAFKA_BROKERS" ]; then
    "$BUILD/tests/bench/bench_mock_kafka" >"$folder/brokers" &
    pids+=($!)
    until [ -s "$folder/brokers" ]; do read -rt 0.1 <> <(:) || true; done
    KAFKA_BROKERS=$(<"$folder/brokers")
fi
export INGEST_SOURCES_FILE=$folder/sources.json INGEST_LISTEN=127.0.0.1:$INGEST_PORT
export INGEST_ADMIN_LISTEN=127.0.0.1:$ADMIN_PORT INGEST_THREADS=$THREADS
"$BUILD/ingest/backstitch-ingest" source add Bench --json >"$folder/source.json"
write_script "$(grep -o '"token": *"[^"]*"' "$folder/source.json" | cut -d'"' -f4)"

"$BUILD/tests/bench/bench_bare_hook" "$HOOK_PORT" "$THREADS" &
pids+=($!)
hook=$!
"$BUILD/ingest/backstitch-ingest" serve 2>"$folder/ingest.log" &
pids+=($!)
ingest=$!
await "http://127.0.0.1:$HOOK_PORT/"
await "http://127.0.0.1:$ADMIN_PORT/readyz"

rate=0
measure "bare hook" "$hook" "http://127.0.0.1:$HOOK_PORT/webhook/bench"
bare=$rate
measure ingest "$ingest" "http://127.0.0.1:$INGEST_PORT/webhook/bench"
awk "BEGIN {printf \"ratio      %8.2f of the bare hook\n\", $rate / $bare}"
