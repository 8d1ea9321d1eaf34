# shellcheck shell=bash
# sample.sh: sample events: send them both ways, wait for their rows, show the tables.
#
# Each run's message ids begin with a stamp of its own (sample-<time>-<random>), so that "seen in
# PostgreSQL" means these events and not earlier ones. All functions need env_read.

readonly SAMPLE_TABLES=(identify track page screen group alias)
readonly SAMPLE_COUNT=12 # one of each type by each of the two routes
readonly SAMPLE_SECONDS=90

# sample_event TYPE ID: one event as Segment sends it.
sample_event() {
    local now
    now=$(date -u +%Y-%m-%dT%H:%M:%S.%3NZ)
    local common='"messageId":"'$2'","anonymousId":"a-2301","timestamp":"'$now'","sentAt":"'$now'","context":{"library":{"name":"deploy/local/send","version":"1"},"page":{"path":"/pricing"},"ip":"192.0.2.7"}'
    case $1 in
        identify) echo '{"type":"identify","userId":"u-17",'"$common"',"traits":{"email":"ada@example.com","plan":"team","seats":12}}' ;;
        track) echo '{"type":"track","userId":"u-17",'"$common"',"event":"Order Completed","properties":{"orderId":"o-501","total":129.90,"currency":"EUR","coupon":null,"products":[{"sku":"b-1","price":64.95},{"sku":"b-2","price":64.95}]}}' ;;
        page) echo '{"type":"page","userId":"u-17",'"$common"',"name":"Pricing","category":"Site","properties":{"title":"Pricing","url":"https://example.com/pricing"}}' ;;
        screen) echo '{"type":"screen","userId":"u-17",'"$common"',"name":"Checkout","properties":{"step":2,"dark mode":true}}' ;;
        group) echo '{"type":"group","userId":"u-17","groupId":"g-4",'"$common"',"traits":{"name":"Analytical Engines","employees":40}}' ;;
        alias) echo '{"type":"alias","userId":"u-17","previousId":"a-2301",'"$common"'}' ;;
    esac
}

# sample_post URL BODY CURL-ARGUMENTS...: fails with the answer when it is not 200. Retries as Segment
# would: a topic made a moment ago may not have a leader yet.
sample_post() {
    local url=$1 body=$2 answer
    shift 2
    answer=$(curl --noproxy '*' -sS -m 20 --retry 8 --retry-delay 1 --retry-connrefused -w '\n%{http_code}' \
        -H 'Content-Type: application/json' "$@" --data-binary "$body" "$url" 2>&1) || true
    [ "${answer##*$'\n'}" = 200 ] ||
        die_with_log sample "$url answered: ${answer//$'\n'/ }" "$(process_log ingest)"
}

# sample_send STAMP: one of each type as webhooks with the token, and all of them as one batch with
# the write key.
sample_send() {
    local type batch=''
    for type in "${SAMPLE_TABLES[@]}"; do
        sample_post "$INGEST_URL/webhook/$SOURCE_SLUG" "$(sample_event "$type" "$1-webhook-$type")" \
            -H "Authorization: Bearer $WEBHOOK_TOKEN"
        batch+="${batch:+,}$(sample_event "$type" "$1-batch-$type")"
    done
    sample_post "$INGEST_URL/v1/batch" "{\"batch\":[$batch]}" -u "$WRITE_KEY:"
    say sample "$SAMPLE_COUNT events accepted: one of each type by /webhook/$SOURCE_SLUG and by /v1/batch"
}

sample_stamp() {
    echo "sample-$(date -u +%Y%m%dT%H%M%S)-$RANDOM"
}

# sample_query SELECT-PER-TABLE: the same SELECT for all six tables (@ stands for the table's name),
# one below the other.
sample_query() {
    local table sql=''
    for table in "${SAMPLE_TABLES[@]}"; do
        sql+="${sql:+ UNION ALL }${1//@/$table}"
    done
    echo "$sql"
}

# sample_seen STAMP: all events of that run are rows, each in its type's table.
sample_seen() {
    local count
    count=$(PGCONNECT_TIMEOUT=5 psql -qAtX -d "$DATABASE_URL" -c "SELECT sum(n) FROM ($(sample_query \
        "SELECT count(*) n FROM \"$SOURCE_SCHEMA\".\"@\" WHERE type = '@' AND message_id LIKE '$1-%'")) s" 2>/dev/null) || return 1
    [ "$count" = "$SAMPLE_COUNT" ]
}

# sample_await STAMP
sample_await() {
    wait_until "$SAMPLE_SECONDS" sample_seen "$1" ||
        die_with_log sample "the events are not in PostgreSQL after $SAMPLE_SECONDS s" "$(process_log loader)"
    say sample "all $SAMPLE_COUNT rows are in PostgreSQL, schema $SOURCE_SCHEMA"
}

# sample_show STAMP: rows of each table and its newest event of that run, then the two orders with
# some of their columns.
sample_show() {
    echo
    sample_psql "$(sample_query \
        "(SELECT '$SOURCE_SCHEMA.@' AS \"table\", (SELECT count(*) FROM \"$SOURCE_SCHEMA\".\"@\") AS rows,
          message_id, user_id, to_char(_sdc_received_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS received_utc
          FROM \"$SOURCE_SCHEMA\".\"@\" WHERE message_id LIKE '$1-%' ORDER BY _sdc_sequence DESC LIMIT 1)")"
    sample_psql "SELECT message_id, event, properties__total, properties__products, context__page__path
         FROM \"$SOURCE_SCHEMA\".track WHERE message_id LIKE '$1-%' ORDER BY _sdc_sequence"
}

sample_psql() {
    psql -qX -P footer=off -P pager=off -d "$DATABASE_URL" -c "$1"
}
