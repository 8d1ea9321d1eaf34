# shellcheck shell=bash
# postgres.sh: a private PostgreSQL cluster from Debian's packages.
#
# The server refuses to run as root: then it runs as the user postgres, who must be able to reach its
# data folder. When it cannot (a checkout below root's home), the data lies in
# /var/lib/backstitch-local/<hash of the state folder>, and $STATE/postgres is a link to it.
# TCP on 127.0.0.1 only, no socket file. Names and password are the stack's own.

readonly POSTGRES_ELSEWHERE=/var/lib/backstitch-local
readonly POSTGRES_USER=backstitch
readonly POSTGRES_DATABASE=backstitch

# Made once and kept with the stack.
postgres_password() {
    if [ -z "$(conf_get postgres_password)" ]; then
        conf_set postgres_password "$(od -An -N 16 -t x1 /dev/urandom | tr -d ' \n')"
    fi
    conf_get postgres_password
}

# postgres_url_of DATABASE: the private server's URL.
postgres_url_of() {
    echo "postgresql://$POSTGRES_USER:$(postgres_password)@127.0.0.1:$(port_of postgres)/$1"
}

postgres_url() {
    postgres_url_of "$POSTGRES_DATABASE"
}

# The database that is there before ours.
postgres_admin_url() {
    postgres_url_of postgres
}

# Where its data is, with links resolved: the user postgres may not be able to follow them.
postgres_data() {
    readlink -f -- "$STATE/postgres"
}

# Whose processes and files they are: as root, those of the existing data, else of the user postgres.
postgres_owner() {
    if [ "$EUID" -ne 0 ]; then
        id -un
    elif [ -n "$(conf_get postgres_made)" ]; then
        stat -c %U -- "$(postgres_data)"
    else
        echo postgres
    fi
}

# The words that make a command run as that owner (none when we are it), one a line. setpriv replaces
# itself by the command, so that the pid stays.
postgres_prefix() {
    local owner
    [ "$EUID" -eq 0 ] || return 0
    owner=$(postgres_owner)
    printf '%s\n' setpriv "--reuid=$owner" "--regid=$(id -g "$owner")" --init-groups
}

# Runs a command to its end as the owner.
postgres_run() {
    local prefix
    mapfile -t prefix < <(postgres_prefix)
    (cd / && "${prefix[@]}" "$@")
}

# Makes an empty data folder that its owner can reach, here or elsewhere.
postgres_make_folder() {
    local elsewhere
    mkdir -m 700 -- "$STATE/postgres"
    [ "$EUID" -eq 0 ] || return 0
    chown postgres: -- "$STATE/postgres"
    if postgres_run test -w "$STATE/postgres"; then
        return 0
    fi
    rmdir -- "$STATE/postgres"
    elsewhere=$(postgres_elsewhere)
    mkdir -p -- "${elsewhere%/*}"
    # What lies there belongs to a state folder that was removed by hand.
    rm -rf -- "$elsewhere"
    mkdir -m 700 -- "$elsewhere"
    chown postgres: -- "$elsewhere"
    ln -s -- "$elsewhere" "$STATE/postgres"
    say postgres "its user cannot enter $STATE: its data is in $elsewhere"
}

postgres_elsewhere() {
    echo "$POSTGRES_ELSEWHERE/$(printf '%s' "$STATE" | sha256sum | cut -c 1-16)"
}

# Makes the cluster unless it is there; one that was not finished starts over.
postgres_init() {
    local log password_file code=0
    [ -z "$(conf_get postgres_made)" ] || return 0
    log=$(process_log postgres)
    postgres_remove
    postgres_make_folder
    password_file=$(mktemp)
    postgres_password >"$password_file"
    [ "$EUID" -ne 0 ] || chown postgres: -- "$password_file"
    postgres_run "$(postgres_bindir)/initdb" -D "$(postgres_data)" -U "$POSTGRES_USER" \
        --encoding=UTF8 --locale=C.UTF-8 --auth=scram-sha-256 "--pwfile=$password_file" >>"$log" 2>&1 || code=$?
    rm -f -- "$password_file"
    [ "$code" -eq 0 ] || die_with_log postgres "its data folder could not be made" "$log"
    conf_set postgres_made yes
}

# Starts it without waiting.
postgres_start() {
    local prefix
    port_require_free postgres "$(port_of postgres)"
    postgres_init
    postgres_clear_crash
    mapfile -t prefix < <(postgres_prefix)
    process_start postgres "${prefix[@]}" "$(postgres_bindir)/postgres" -D "$(postgres_data)" \
        -p "$(port_of postgres)" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
        -c shared_buffers=256MB -c max_wal_size=2GB -c log_line_prefix='%m [%p] '
}

# After a kill -9 of the server its children take a moment to notice, and busy ones never do; until
# then they hold its shared memory, and a new server would refuse to start. It also refuses while the
# pid in postmaster.pid exists, be it as a zombie, which in a container may stay for good: so once no
# process is left in the data folder, that file is removed.
postgres_clear_crash() {
    local orphan
    if ! wait_until 3 postgres_is_deserted; then
        for orphan in $(postgres_orphans); do
            kill -KILL "$orphan" 2>/dev/null || true
        done
        wait_until 10 postgres_is_deserted || return 0
    fi
    rm -f -- "$(postgres_data)/postmaster.pid"
}

postgres_is_deserted() {
    [ -z "$(postgres_orphans)" ]
}

# PostgreSQL's processes work in the data folder and are titled "postgres: ..".
postgres_orphans() {
    local process data title
    data=$(postgres_data)
    for process in /proc/[0-9]*; do
        if [ "$process/cwd" -ef "$data" ] && read -r -d '' title <"$process/cmdline" && [[ $title == *postgres* ]]; then
            echo "${process#/proc/}"
        fi
    done 2>/dev/null
}

postgres_await() {
    process_await_ready postgres postgres_answers "$(postgres_admin_url)"
    if ! postgres_answers "$(postgres_url)"; then
        psql -qX -d "$(postgres_admin_url)" -c "CREATE DATABASE $POSTGRES_DATABASE" >>"$(process_log postgres)" 2>&1 ||
            die_with_log postgres "the database could not be made" "$(process_log postgres)"
    fi
    say postgres "ready on 127.0.0.1:$(port_of postgres) (pid $(process_pid postgres))"
}

# postgres_answers URL
postgres_answers() {
    PGCONNECT_TIMEOUT=2 psql -qAtX -d "$1" -c 'SELECT 1' >/dev/null 2>&1
}

# Removes the data, wherever it is. Only for a server that does not run.
postgres_remove() {
    local data
    if [ -L "$STATE/postgres" ]; then
        data=$(postgres_data)
        case $data in
            "$POSTGRES_ELSEWHERE"/*) rm -rf -- "$data" ;;
        esac
        rmdir -- "$POSTGRES_ELSEWHERE" 2>/dev/null || true # other stacks may have data there
        rm -f -- "$STATE/postgres"
    else
        rm -rf -- "$STATE/postgres"
    fi
}
