# shellcheck shell=bash
# kafka.sh: a real Kafka: one node, broker and controller in one (KRaft), from Maven Central's jars.
#
# Jars lie in build/kafka-<hash of pom.xml>/, data and configuration in the state folder. The
# configuration is written again at each start; the cluster id and the data stay.

kafka_address() {
    echo "127.0.0.1:$(port_of kafka)"
}

kafka_jars() {
    echo "$CHECKOUT/build/kafka-$(sha256sum <"$LOCAL_DIR/kafka/pom.xml" | cut -c 1-12)"
}

# Fetches the jars unless they are there.
kafka_fetch() {
    local log=$STATE/log/kafka-jars.log jars
    jars=$(kafka_jars)
    build_lock
    if [ ! -d "$jars" ]; then
        say kafka "fetching its jars from Maven Central (log: $log)"
        rm -rf -- "$jars.new"
        mvn -B -f "$LOCAL_DIR/kafka/pom.xml" dependency:copy-dependencies -DincludeScope=runtime \
            "-DoutputDirectory=$jars.new" </dev/null >"$log" 2>&1 8>&- 9>&- ||
            die_with_log kafka "its jars could not be fetched (Maven Central, or a mirror set in ~/.m2/settings.xml)" "$log"
        mv -T -- "$jars.new" "$jars"
    fi
    build_unlock
}

kafka_write_config() {
    cat >"$STATE/kafka/server.properties" <<EOF
# Written by deploy/local/up at each start of Kafka.
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$(port_of kafka-controller)
listeners=PLAINTEXT://$(kafka_address),CONTROLLER://127.0.0.1:$(port_of kafka-controller)
advertised.listeners=PLAINTEXT://$(kafka_address)
controller.listener.names=CONTROLLER
log.dirs=$STATE/kafka/data

# One node: every internal topic has one copy.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1

# After a kill -9 the broker can register again only when its old session is over (9 s by default).
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000

# Topics are made by backstitch-ingest topics, as in production.
auto.create.topics.enable=false
# A first consumer need not wait for others to come.
group.initial.rebalance.delay.ms=0
EOF
}

# kafka_tool CLASS ARGUMENTS...: one of Kafka's own command line tools.
kafka_tool() {
    "$(java_find)" -Xmx256m -cp "$(kafka_jars)/*" \
        "-Dlog4j2.configurationFile=$LOCAL_DIR/kafka/log4j2.xml" "$@"
}

kafka_format() {
    local log id
    log=$(process_log kafka)
    [ ! -f "$STATE/kafka/data/meta.properties" ] || return 0
    {
        id=$(kafka_tool kafka.tools.StorageTool random-uuid 2>>"$log" | tail -n 1) &&
            kafka_tool kafka.tools.StorageTool format -t "$id" -c "$STATE/kafka/server.properties" >>"$log" 2>&1
    } || die_with_log kafka "its data folder could not be made" "$log"
}

# Starts it without waiting.
kafka_start() {
    kafka_fetch
    port_require_free kafka "$(port_of kafka)" "$(port_of kafka-controller)"
    mkdir -p -- "$STATE/kafka"
    kafka_write_config
    kafka_format
    process_start kafka "$(java_find)" -Xmx512m -cp "$(kafka_jars)/*" \
        "-Dlog4j2.configurationFile=$LOCAL_DIR/kafka/log4j2.xml" \
        kafka.Kafka "$STATE/kafka/server.properties"
}

# Kafka opens its port last, when it serves requests.
kafka_await() {
    process_await_ready kafka port_is_open "$(port_of kafka)"
    say kafka "ready on $(kafka_address) (pid $(process_pid kafka))"
}
