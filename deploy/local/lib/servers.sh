# shellcheck shell=bash
# servers.sh: which Kafka and which PostgreSQL a stack uses: private ones, or servers of the user's.
#
# KAFKA_BROKERS and DATABASE_URL in the environment name the user's; a value that points at the
# stack's own ports (its env file was sourced) means the private one. The decision is kept with the
# stack, so that later commands need not be told again.
# Globals set here (by servers_decide): KAFKA, DATABASE (addresses in use),
# KAFKA_IS_OURS, DATABASE_IS_OURS ("yes" or empty).

servers_decide() {
    KAFKA_IS_OURS='' DATABASE_IS_OURS=''
    KAFKA=$(servers_choose kafka_brokers KAFKA_BROKERS "${KAFKA_BROKERS:-}" "^(127\.0\.0\.1|localhost):$(port_of kafka)$")
    DATABASE=$(servers_choose database_url DATABASE_URL "${DATABASE_URL:-}" "@(127\.0\.0\.1|localhost):$(port_of postgres)(/|\?|$)")
    if [ "$KAFKA" = private ]; then
        KAFKA_IS_OURS=yes
        KAFKA=$(kafka_address)
    fi
    if [ "$DATABASE" = private ]; then
        DATABASE_IS_OURS=yes
        DATABASE=$(postgres_url)
    elif ! [[ $DATABASE =~ ^postgres(ql)?:// ]]; then
        bad_usage "DATABASE_URL must be a URI, for example postgresql://user:password@host:5432/database"
    fi
}

# servers_choose CONF VARIABLE VALUE OWN: prints "private" or the address. VALUE is the variable's, OWN
# a pattern of the stack's own address.
servers_choose() {
    local kept wanted=$3
    kept=$(conf_get "$1")
    if [[ $wanted =~ $4 ]]; then
        wanted=private
    fi
    wanted=${wanted:-${kept:-private}}
    if [ -n "$kept" ] && [ "$kept" != "$wanted" ] && process_any; then
        die servers "this stack runs with another server than $2 names: run deploy/local/down first, or unset $2"
    fi
    echo "$wanted"
}

# Keeps what was decided, once it works; `up` alone does this.
servers_keep() {
    conf_set kafka_brokers "$(if [ -n "$KAFKA_IS_OURS" ]; then echo private; else echo "$KAFKA"; fi)"
    conf_set database_url "$(if [ -n "$DATABASE_IS_OURS" ]; then echo private; else echo "$DATABASE"; fi)"
}

# The packages of the private servers that do not run yet, as lines for install_needs.
servers_needs() {
    if [ -n "$KAFKA_IS_OURS" ] && ! process_runs kafka; then
        echo "$NEEDS_JAVA"
        [ -d "$(kafka_jars)" ] || echo "$NEEDS_MAVEN"
    fi
    if [ -n "$DATABASE_IS_OURS" ] && ! process_runs postgres; then
        echo "$NEEDS_POSTGRES"
    fi
}

# Starts what is private and does not run; both servers come up at the same time.
servers_up() {
    local kafka_new='' postgres_new=''
    if [ -z "$KAFKA_IS_OURS" ]; then
        say kafka "uses $KAFKA (KAFKA_BROKERS)"
    elif process_runs kafka; then
        say kafka "runs on $KAFKA (pid $(process_pid kafka))"
    else
        kafka_start
        kafka_new=yes
    fi
    if [ -z "$DATABASE_IS_OURS" ]; then
        database_check
    elif process_runs postgres; then
        say postgres "runs on 127.0.0.1:$(port_of postgres) (pid $(process_pid postgres))"
    else
        postgres_start
        postgres_new=yes
    fi
    [ -z "$kafka_new" ] || kafka_await
    [ -z "$postgres_new" ] || postgres_await
}

# The user's own PostgreSQL must answer; psql's words say why it does not.
database_check() {
    local problem
    problem=$(PGCONNECT_TIMEOUT=5 psql -qAtX -d "$DATABASE" -c 'SELECT 1' 2>&1 >/dev/null) ||
        die postgres "DATABASE_URL does not work: $problem"
    say postgres "uses the server of DATABASE_URL"
}
