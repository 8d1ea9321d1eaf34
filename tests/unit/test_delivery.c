/* A request's records under way: who ends it, and its life beyond its end. */
#include "tests/support/delivery_bed.h"

#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RECORDS 3
#define ROUNDS 300
#define LONG_MS 30000

/* As the ack rule does it: durable in Kafka, or not at all. */
static void on_settled(struct delivery *d)
{
    if (delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED)) {
        delivery_end(d, delivery_is_durable(d) ? DELIVERY_IN_KAFKA : DELIVERY_REFUSED);
    }
}

static struct delivery *new_started(struct delivery_bed *bed)
{
    struct delivery *d = delivery_bed_new(bed, RECORDS);
    d->on_settled = on_settled;
    for (int i = 0; i < RECORDS; i++) {
        delivery_bed_add(d, "k", view_cstr("{}"));
        delivery_start(d);
    }
    return d;
}

static void end_record(struct delivery *d, size_t index, bool is_durable)
{
    struct kafka_ticket *ticket = &d->records[index].ticket;
    ticket->on_end(ticket, is_durable);
}

static void test_it_ends_with_its_last_record_and_not_before(void **state)
{
    struct delivery_bed bed;
    (void)state;
    delivery_bed_open(&bed);
    struct delivery *d = new_started(&bed);
    for (size_t i = 0; i < RECORDS; i++) {
        assert_int_equal(bed.ends, 0);
        end_record(d, i, true);
    }
    assert_int_equal(bed.ends, 0); /* there might be more to hand over */
    delivery_seal(d);
    assert_int_equal(bed.ends, 1);
    assert_int_equal(bed.outcome, DELIVERY_IN_KAFKA);
    delivery_bed_close(&bed);
}

static void test_one_that_failed_is_enough(void **state)
{
    (void)state;
    for (size_t failing = 0; failing < RECORDS; failing++) {
        struct delivery_bed bed;
        delivery_bed_open(&bed);
        struct delivery *d = new_started(&bed);
        delivery_seal(d);
        for (size_t i = 0; i < RECORDS; i++) {
            end_record(d, i, i != failing);
        }
        assert_int_equal(bed.ends, 1);
        assert_int_equal(bed.outcome, DELIVERY_REFUSED);
        delivery_bed_close(&bed);
    }
}

static void test_nothing_started_ends_when_it_is_sealed(void **state)
{
    struct delivery_bed bed;
    (void)state;
    delivery_bed_open(&bed);
    struct delivery *d = delivery_bed_new(&bed, 1);
    d->on_settled = on_settled;
    delivery_bed_add(d, "k", view_cstr("{}"));
    delivery_start(d);
    delivery_not_started(d); /* no room */
    delivery_seal(d);
    assert_int_equal(bed.ends, 1);
    assert_int_equal(bed.outcome, DELIVERY_REFUSED);
    delivery_bed_close(&bed);
}

/* The records that come in later find it there, and end nothing again. */
static void test_it_outlives_its_deadline_until_the_last_report(void **state)
{
    struct delivery_bed bed;
    (void)state;
    delivery_bed_open(&bed);
    struct delivery *d = new_started(&bed);
    assert_true(delivery_charge(d));
    delivery_seal(d);
    assert_true(delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED));
    delivery_end(d, DELIVERY_LATE);
    assert_int_equal(bed.outcome, DELIVERY_LATE);
    for (size_t i = 0; i < RECORDS; i++) {
        assert_true(budget_used(&bed.budget) > 0);
        end_record(d, i, true);
    }
    assert_int_equal(bed.ends, 1);
    assert_int_equal(bed.outcome, DELIVERY_LATE);
    delivery_bed_close(&bed); /* nothing is charged any more */
}

static void *end_all(void *context)
{
    struct delivery *d = context;
    for (size_t i = 0; i < RECORDS; i++) {
        end_record(d, i, true);
    }
    return NULL;
}

/* Reports, the seal and the deadline at once, on three threads: it ends once. */
static void *pass_deadline(void *context)
{
    struct delivery *d = context;
    if (delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED)) {
        delivery_end(d, DELIVERY_LATE);
    }
    delivery_let_go(d);
    return NULL;
}

static void test_whoever_is_first_ends_it_once(void **state)
{
    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct delivery_bed bed;
        pthread_t reports, sweeper;
        delivery_bed_open(&bed);
        struct delivery *d = new_started(&bed);
        assert_true(delivery_charge(d));
        delivery_hold(d); /* the sweeper's */
        assert_int_equal(pthread_create(&reports, NULL, end_all, d), 0);
        assert_int_equal(pthread_create(&sweeper, NULL, pass_deadline, d), 0);
        delivery_seal(d);
        assert_true(delivery_bed_wait(&bed, LONG_MS));
        pthread_join(reports, NULL);
        pthread_join(sweeper, NULL);
        assert_int_equal(bed.ends, 1);
        assert_true(bed.outcome == DELIVERY_IN_KAFKA || bed.outcome == DELIVERY_LATE);
        delivery_bed_close(&bed);
    }
}

static void test_the_body_is_its_own_with_its_share_of_the_budget(void **state)
{
    struct delivery_bed bed;
    struct buf body = { 0 };
    uint64_t charged = 7;
    (void)state;
    delivery_bed_open(&bed);
    assert_true(budget_take(&bed.budget, charged));
    buf_add_cstr(&body, "[{\"a\":1}]");
    struct view value = view_of(body.data + 1, 7);
    struct delivery *d = delivery_bed_new(&bed, 1);
    delivery_take_body(d, &body, &charged);
    assert_int_equal(charged, 0);
    assert_null(body.data);
    struct record r = { .topic = EVENT_TRACK, .key = view_cstr("k"), .value = value };
    delivery_add(d, &r, false);
    assert_ptr_equal(d->records[0].value.data, value.data); /* not copied */
    assert_int_equal(budget_used(&bed.budget), 7);
    assert_true(delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED));
    delivery_end(d, DELIVERY_REFUSED);
    delivery_bed_close(&bed);
}

static void test_above_the_budget_nothing_is_charged(void **state)
{
    struct delivery_bed bed;
    (void)state;
    delivery_bed_open(&bed);
    struct delivery *d = new_started(&bed);
    assert_true(budget_take(&bed.budget, DELIVERY_BED_BUDGET));
    assert_false(delivery_charge(d));
    budget_give(&bed.budget, DELIVERY_BED_BUDGET);
    delivery_seal(d);
    end_all(d);
    delivery_bed_close(&bed);
}

static void test_headers_are_the_requests_and_the_records_own(void **state)
{
    struct delivery_bed bed;
    char scratch[RECORD_FACTS_BYTES];
    struct record_header headers[RECORD_HEADERS_MAX];
    struct record read = { .seq = 0 };
    struct error err;
    (void)state;
    delivery_bed_open(&bed);
    struct delivery *d = delivery_bed_new(&bed, 1);
    char detail[] = "at byte 3"; /* copied: it is gone when the record is sent */
    struct record r = { .topic = EVENT_REJECTED,
                        .key = view_cstr("k"),
                        .seq = 41,
                        .type = view_cstr("rejected"),
                        .reason = view_cstr("not json"),
                        .detail = view_cstr(detail) };
    delivery_add(d, &r, true);
    detail[0] = 'x';
    size_t count = delivery_headers(d, 0, scratch, headers);
    assert_true(record_decode_headers(headers, count, &read, &err));
    assert_true(view_equal_cstr(read.source, "shop"));
    assert_true(view_equal_cstr(read.detail, "at byte 3"));
    assert_int_equal(read.seq, 41);
    assert_true(delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED));
    delivery_end(d, DELIVERY_REFUSED);
    delivery_bed_close(&bed);
}

/* A request that is answered late gives its memory to the next one. */
static void test_what_the_records_share_outlives_the_request(void **state)
{
    struct delivery_bed bed;
    char scratch[RECORD_FACTS_BYTES];
    struct record_header headers[RECORD_HEADERS_MAX];
    struct record read = { .seq = 0 };
    struct error err;
    (void)state;
    delivery_bed_open(&bed);
    struct delivery *d = delivery_bed_new(&bed, 1);
    char context[] = "{\"a\":1}";
    struct record common = { .source = view_cstr("shop"),
                             .schema = view_cstr("shop"),
                             .context = view_cstr(context),
                             .integrations = view_cstr(context) };
    delivery_set_common(d, &common);
    delivery_bed_add(d, "k", view_cstr("{}"));
    context[2] = 'x';
    size_t count = delivery_headers(d, 0, scratch, headers);
    assert_true(record_decode_headers(headers, count, &read, &err));
    assert_true(view_equal_cstr(read.context, "{\"a\":1}"));
    assert_true(view_equal_cstr(read.integrations, "{\"a\":1}"));
    assert_true(delivery_claim(d, DELIVERY_OPEN, DELIVERY_ENDED));
    delivery_end(d, DELIVERY_REFUSED);
    delivery_bed_close(&bed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_ends_with_its_last_record_and_not_before),
        cmocka_unit_test(test_one_that_failed_is_enough),
        cmocka_unit_test(test_nothing_started_ends_when_it_is_sealed),
        cmocka_unit_test(test_it_outlives_its_deadline_until_the_last_report),
        cmocka_unit_test(test_whoever_is_first_ends_it_once),
        cmocka_unit_test(test_the_body_is_its_own_with_its_share_of_the_budget),
        cmocka_unit_test(test_above_the_budget_nothing_is_charged),
        cmocka_unit_test(test_headers_are_the_requests_and_the_records_own),
        cmocka_unit_test(test_what_the_records_share_outlives_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
