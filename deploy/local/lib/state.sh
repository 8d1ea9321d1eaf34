# shellcheck shell=bash
# state.sh: the state folder of one stack: where it is, whose it is, what was decided for it.
#
# Layout:  .backstitch-local   marker: only a folder with it is ever removed
#          lock                one command at a time works on the stack
#          conf/NAME           one decision each: port_base, loaders, kafka_brokers, database_url, ...
#          env                 what scripts source (written by up)
#          run/*.pid log/*.log kafka/ postgres/ sources.json source.json
# Global set here: STATE, absolute and without symbolic links.

STATE=$(realpath -m -- "${BACKSTITCH_STATE:-$CHECKOUT/.local}")
readonly STATE
readonly STATE_MARKER=$STATE/.backstitch-local
readonly STATE_LOCK_FD=9

state_exists() {
    [ -e "$STATE_MARKER" ]
}

# Makes the folder, or takes the one that is there; refuses one that holds something else.
state_create() {
    if ! state_exists; then
        if [ -e "$STATE" ] && { [ ! -d "$STATE" ] || [ -n "$(ls -A -- "$STATE")" ]; }; then
            die state "$STATE is not a state folder of a stack and not empty: set BACKSTITCH_STATE to another folder"
        fi
        mkdir -p -- "$STATE" || die state "cannot make $STATE: set BACKSTITCH_STATE to a folder that can be written"
        echo "State of a local Backstitch stack, made by deploy/local/up. Remove it with deploy/local/down --wipe." \
            >"$STATE_MARKER"
    fi
    state_check_owner
    mkdir -p -- "$STATE/conf" "$STATE/run" "$STATE/log"
}

# For commands that need a stack which was up before.
state_require() {
    state_exists || die state "there is no stack in $STATE: start one with deploy/local/up (or set BACKSTITCH_STATE)"
    state_check_owner
}

# Another user's processes can neither be seen nor stopped.
state_check_owner() {
    local owner
    owner=$(stat -c %U -- "$STATE_MARKER")
    [ "$EUID" -eq 0 ] || [ -O "$STATE_MARKER" ] ||
        die state "$STATE belongs to $owner: run this as $owner or with sudo, or set BACKSTITCH_STATE to another folder"
}

# Takes the stack's lock until the script ends. A command already at work is waited for.
state_lock() {
    while :; do
        exec 9>>"$STATE/lock"
        if ! flock -n "$STATE_LOCK_FD"; then
            say state "waiting for another deploy/local command on $STATE"
            flock -w 900 "$STATE_LOCK_FD" || die state "another deploy/local command still works on $STATE after 15 minutes"
        fi
        # `down --wipe` may have removed the folder while we waited: then the lock is nobody's.
        if [ "$STATE/lock" -ef "/proc/self/fd/$STATE_LOCK_FD" ]; then
            return 0
        fi
        state_create
    done
}

# conf_get NAME: the value decided earlier, or nothing.
conf_get() {
    if [ -r "$STATE/conf/$1" ]; then
        printf '%s' "$(<"$STATE/conf/$1")"
    fi
}

# conf_set NAME VALUE: keeps a decision; readable by the owner alone, for some are secrets.
conf_set() {
    (umask 077 && printf '%s\n' "$2" >"$STATE/conf/$1.new")
    mv -f -- "$STATE/conf/$1.new" "$STATE/conf/$1"
}
