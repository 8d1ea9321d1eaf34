# shellcheck shell=bash
# process.sh: start, find and stop the stack's processes.
#
# A part ("kafka", "loader-2") has run/PART.pid and log/PART.log. A pid alone proves nothing: after a
# crash it may be another program's. So every process we start carries BACKSTITCH_PART=<state>:<part>
# in its environment, and only a process with exactly that entry is ours to count or to stop.
# Global: STARTED, the number of processes this script has started.

STARTED=0
readonly STOP_SECONDS=30
readonly READY_SECONDS=60

process_log() {
    echo "$STATE/log/$1.log"
}

# process_pid PART: prints its pid; fails when it does not run.
process_pid() {
    local file=$STATE/run/$1.pid pid
    [ -r "$file" ] || return 1
    read -r pid <"$file" || return 1
    [[ $pid =~ ^[0-9]+$ ]] || return 1
    grep -qzxF -e "BACKSTITCH_PART=$STATE:$1" "/proc/$pid/environ" 2>/dev/null || return 1
    echo "$pid"
}

process_runs() {
    process_pid "$1" >/dev/null
}

# Parts that have a pid file, whether they run or not.
process_parts() {
    local file
    for file in "$STATE"/run/*.pid; do
        [ -e "$file" ] || continue
        basename -- "$file" .pid
    done
}

# True when any part of the stack runs.
process_any() {
    local part
    for part in $(process_parts); do
        if process_runs "$part"; then
            return 0
        fi
    done
    return 1
}

# process_start PART COMMAND...: in a session of its own, so that it outlives this shell; no input,
# output appended to its log, as many open files as allowed, the stack's lock not inherited.
process_start() {
    local part=$1 log pid
    shift
    log=$(process_log "$part")
    (
        exec 9>&-
        ulimit -Sn "$(ulimit -Hn)"
        cd / # the user postgres cannot enter every folder
        exec setsid env "BACKSTITCH_PART=$STATE:$part" "$@" </dev/null >>"$log" 2>&1
    ) &
    pid=$!
    echo "$pid" >"$STATE/run/$part.pid"
    STARTED=$((STARTED + 1))
    # The entry is there once the program has replaced our shell.
    until process_runs "$part" || ! kill -0 "$pid" 2>/dev/null; do
        sleep 0.02
    done
}

# process_await_ready PART COMMAND...: waits until COMMAND succeeds; a process that ends, or is not
# ready in time, ends the script with its log.
process_await_ready() {
    local part=$1 deadline=$((SECONDS + READY_SECONDS))
    shift
    until "$@"; do
        process_runs "$part" || die_with_log "$part" "ended instead of getting ready" "$(process_log "$part")"
        [ "$SECONDS" -lt "$deadline" ] ||
            die_with_log "$part" "is not ready after $READY_SECONDS s" "$(process_log "$part")"
        sleep 0.1
    done
}

# process_answers PORT: the admin port says ready.
process_answers() {
    [ "$(curl --noproxy '*' -s -o /dev/null -m 2 -w '%{http_code}' "http://127.0.0.1:$1/readyz")" = 200 ]
}

# process_is_outdated PART: its program was built again since it started.
process_is_outdated() {
    local pid
    pid=$(process_pid "$1") || return 1
    [[ $(readlink -- "/proc/$pid/exe") == *" (deleted)" ]]
}

process_has_ended() {
    ! process_runs "$1"
}

# process_stop PART...: asks all of them to stop at once, then waits for each.
process_stop() {
    local part pid running=()
    for part; do
        if pid=$(process_pid "$part"); then
            running+=("$part")
            process_ask_to_stop "$part" "$pid"
        else
            rm -f -- "$STATE/run/$part.pid"
        fi
    done
    for part in "${running[@]}"; do
        process_await_end "$part"
    done
}

# PostgreSQL waits for its clients on SIGTERM; SIGINT is its ordinary, fast stop. A suspended process
# hears nothing until it is continued.
process_ask_to_stop() {
    local signal=TERM
    [ "$1" != postgres ] || signal=INT
    kill "-$signal" "$2" 2>/dev/null || true
    kill -CONT "$2" 2>/dev/null || true
}

process_await_end() {
    local part=$1 pid
    pid=$(cat -- "$STATE/run/$part.pid")
    if wait_until "$STOP_SECONDS" process_has_ended "$part"; then
        say "$part" "stopped"
    else
        say "$part" "does not stop within $STOP_SECONDS s: killed (pid $pid, log $(process_log "$part"))"
        kill -KILL "$pid" 2>/dev/null || true
        wait_until 10 process_has_ended "$part" || die "$part" "pid $pid cannot be killed: nothing more can be done here"
    fi
    rm -f -- "$STATE/run/$part.pid"
}
