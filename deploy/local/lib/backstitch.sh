# shellcheck shell=bash
# backstitch.sh: our two programs: topics, the sample source, ingest, the loaders, the env file.
#
# Options the stack does not decide (LOADER_BATCH_ROWS, LOG_LEVEL, ...) are taken from the environment
# of the command that starts a process.

readonly SOURCE_NAME='Stitch Segment'

ingest_url() {
    echo "http://127.0.0.1:$(port_of ingest)"
}

# The environment of every ingest command, one NAME=value a line.
ingest_settings() {
    local public
    public=$(ingest_url)
    if proxy_is_wanted; then
        public=$(proxy_url)
        printf '%s\n' "INGEST_TRUSTED_PROXIES=127.0.0.1"
    fi
    printf '%s\n' "KAFKA_BROKERS=$KAFKA" \
        "INGEST_LISTEN=127.0.0.1:$(port_of ingest)" \
        "INGEST_ADMIN_LISTEN=127.0.0.1:$(port_of ingest-admin)" \
        "INGEST_SOURCES_FILE=$STATE/sources.json" \
        "INGEST_SPOOL_DIR=$STATE/spool" \
        "INGEST_PUBLIC_URL=${INGEST_PUBLIC_URL:-$public}"
}

# loader_settings PART
loader_settings() {
    printf '%s\n' "KAFKA_BROKERS=$KAFKA" "DATABASE_URL=$DATABASE" \
        "LOADER_ADMIN_LISTEN=127.0.0.1:$(port_of "$1")"
}

# Runs an ingest command to its end.
ingest_command() {
    local settings
    mapfile -t settings < <(ingest_settings)
    env "${settings[@]}" "$INGEST_BIN" "$@" 9>&-
}

# Makes the topics, or checks that they are as they should be.
topics_up() {
    local log=$STATE/log/topics.log
    ingest_command topics --dev >"$log" 2>&1 </dev/null || die_with_log topics "could not be made on $KAFKA" "$log"
    say topics "there on $KAFKA"
}

# Adds the sample source, once. source.json is written last: without it the registry is half made.
source_up() {
    local log=$STATE/log/source.log
    if [ -s "$STATE/source.json" ]; then
        return 0
    fi
    rm -f -- "$STATE/sources.json"
    (umask 077 && ingest_command source add "$SOURCE_NAME" --json >"$STATE/source.json.new" 2>"$log" </dev/null) ||
        die_with_log source "\"$SOURCE_NAME\" could not be added" "$log"
    mv -f -- "$STATE/source.json.new" "$STATE/source.json"
    say source "added \"$SOURCE_NAME\""
}

# source_fields NAME...: values of what `source add` printed, one a line.
source_fields() {
    python3 -c '
import json, sys
source = json.load(open(sys.argv[1]))
for name in sys.argv[2:]:
    print(source[name])' "$STATE/source.json" "$@"
}

ingest_start() {
    local settings
    port_require_free ingest "$(port_of ingest)" "$(port_of ingest-admin)"
    mapfile -t settings < <(ingest_settings)
    process_start ingest env "${settings[@]}" "$INGEST_BIN" serve
}

ingest_await() {
    process_await_ready ingest process_answers "$(port_of ingest-admin)"
    say ingest "ready on $(ingest_url) (pid $(process_pid ingest))"
}

# loader_start PART
loader_start() {
    local settings
    port_require_free "$1" "$(port_of "$1")"
    mapfile -t settings < <(loader_settings "$1")
    process_start "$1" env -u DATABASE_URL_FILE "${settings[@]}" "$LOADER_BIN" run
}

loader_await() {
    process_await_ready "$1" process_answers "$(port_of "$1")"
    say "$1" "ready, admin port $(port_of "$1") (pid $(process_pid "$1"))"
}

# loader_parts N: loader, loader-2 .. loader-N.
loader_parts() {
    local number
    echo loader
    for ((number = 2; number <= $1; number++)); do
        echo "loader-$number"
    done
}

# Loaders that have a pid file, of this `up` or an earlier one.
loader_known() {
    process_parts | grep -E '^loader(-[0-9]+)?$' || true
}

# backstitch_up PART ADMIN-PORT: starts a part, or replaces one whose program was built again.
backstitch_up() {
    local part=$1
    if process_is_outdated "$part"; then
        say "$part" "its program was built again: restarting"
        process_stop "$part"
    fi
    if process_runs "$part"; then
        wait_until "$READY_SECONDS" process_answers "$2" ||
            die_with_log "$part" "runs (pid $(process_pid "$part")), but is not ready" "$(process_log "$part")"
        say "$part" "runs on port $2 (pid $(process_pid "$part"))"
    elif [ "$part" = ingest ]; then
        ingest_start
        ingest_await
    else
        loader_start "$part"
        loader_await "$part"
    fi
}

# Brings ingest and N loaders up; loaders above N, from an earlier `up`, are stopped.
backstitch_all_up() {
    local loaders=$1 part extra
    mapfile -t extra < <(comm -23 <(loader_known | sort) <(loader_parts "$loaders" | sort))
    process_stop "${extra[@]}"
    backstitch_up ingest "$(port_of ingest-admin)"
    for part in $(loader_parts "$loaders"); do
        backstitch_up "$part" "$(port_of "$part")"
    done
}

# The env file: one NAME='value' a line, for scripts to source. Holds credentials: mode 0600.
env_write() {
    (
        umask 077
        env_lines >"$STATE/env.new"
    )
    mv -f -- "$STATE/env.new" "$STATE/env"
}

env_lines() {
    local source
    mapfile -t source < <(source_fields slug schema write_key token secret)
    env_line INGEST_URL "$(ingest_url)"
    if proxy_is_wanted; then
        env_line INGEST_TLS_URL "$(proxy_url)"
        env_line INGEST_CA_FILE "$(proxy_ca)"
    fi
    env_line INGEST_ADMIN_URL "http://127.0.0.1:$(port_of ingest-admin)"
    env_line LOADER_ADMIN_URL "http://127.0.0.1:$(port_of loader)"
    env_line KAFKA_BROKERS "$KAFKA"
    env_line DATABASE_URL "$DATABASE"
    env_line SOURCE_SLUG "${source[0]}"
    env_line SOURCE_SCHEMA "${source[1]}"
    env_line WRITE_KEY "${source[2]}"
    env_line WEBHOOK_TOKEN "${source[3]}"
    env_line WEBHOOK_SECRET "${source[4]}"
    env_line INGEST_BIN "$INGEST_BIN"
    env_line LOADER_BIN "$LOADER_BIN"
}

env_line() {
    printf '%s=%s\n' "$1" "$(shell_quote "$2")"
}

# Reads the env file into this script; the stack must have been up.
env_read() {
    [ -r "$STATE/env" ] || die state "$STATE/env is not there: the stack was never fully up; run deploy/local/up"
    # shellcheck source=/dev/null
    . "$STATE/env"
}
