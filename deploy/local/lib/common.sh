# shellcheck shell=bash disable=SC2034 # the paths are for who sources this
# common.sh: paths of the checkout, words to the user, usage errors. Sourced first by every script.
#
# Globals set here: CHECKOUT, LOCAL_DIR, INGEST_BIN, LOADER_BIN.
# Progress goes to stdout, one short line a step; what is wrong goes to stderr.
# Exit codes: 0 done, 1 failed, 2 wrong arguments or settings.

LOCAL_DIR=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
CHECKOUT=$(cd -- "$LOCAL_DIR/../.." && pwd -P)
INGEST_BIN=$CHECKOUT/build/release/ingest/backstitch-ingest
LOADER_BIN=$CHECKOUT/build/release/loader/backstitch-loader
readonly LOCAL_DIR CHECKOUT

# Folders we make must let the user postgres through, whatever the caller's umask; secrets are
# written with mode 0600 one by one.
umask 022

# say PART TEXT: one step, with the seconds since the start of the script.
say() {
    printf '%4ss  %-10s %s\n' "$SECONDS" "$1" "$2"
}

# die PART TEXT: says what is wrong and what to do, and ends the script with 1.
die() {
    printf '%4ss  %-10s %s\n' "$SECONDS" "$1" "$2" >&2
    exit 1
}

# die_with_log PART TEXT FILE: the same, with the last lines of a log and its path.
die_with_log() {
    {
        printf '%4ss  %-10s %s\n' "$SECONDS" "$1" "$2"
        if [ -s "$3" ]; then
            printf '\nlast lines of %s:\n' "$3"
            tail -n 20 -- "$3" | sed 's/^/    /'
        else
            printf '(its log %s is empty)\n' "$3"
        fi
    } >&2
    exit 1
}

# bad_usage TEXT: wrong arguments or settings; USAGE is set by the script. Ends with 2.
bad_usage() {
    printf '%s: %s\nusage: %s\n' "$(basename -- "$0")" "$1" "$USAGE" >&2
    exit 2
}

# wait_until SECONDS COMMAND...: tries COMMAND ten times a second until it succeeds; fails when the
# time is over.
wait_until() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.1
    done
}

# shell_quote TEXT: TEXT as one word in single quotes.
shell_quote() {
    printf "'%s'" "${1//\'/\'\\\'\'}"
}
