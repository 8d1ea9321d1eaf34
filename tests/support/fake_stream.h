/* fake_stream: a log in memory behind the stream port, with a group that does as the test
 * says: with step_writer.h a test drives the whole loader turn by turn in virtual time.
 *
 * Events are named after where they lie ("m-<partition>-<offset>"), as fake_sink wants
 * it. Time passes only in polls that find nothing and in waits of the pipeline. One
 * thread.
 */
#ifndef TESTS_SUPPORT_FAKE_STREAM_H
#define TESTS_SUPPORT_FAKE_STREAM_H

#include "loader/consume/stream.h"

#define FAKE_LOGS 8

struct fake_log { /* a partition */
    enum event_type type;
    int32_t partition;
    int64_t start, end;
    int64_t committed; /* -1: none */
    bool is_committed_by_us;
};

struct fake_cluster {
    struct fake_log logs[FAKE_LOGS];
    size_t count;
    int64_t now_ms;
    unsigned held_streams_opened;
    int64_t messages; /* records handed out and not given back */
};

/* A view on the cluster: the group's, or one beside it. */
struct fake_stream {
    struct fake_cluster *cluster;
    struct stream stream;
    bool is_member;
    int64_t position[FAKE_LOGS]; /* -1: not started */
    size_t turn;
    enum stream_event next; /* ASSIGNED or REVOKED: the next poll says so; else NOTHING */
    struct stream_partition assigned[FAKE_LOGS];
    size_t assigned_count;
    unsigned starts, bounds_asked;
    bool is_away; /* Kafka does not answer */
};

/* A log with the offsets [start, end) of a topic "segment.<type>". */
struct fake_log *fake_cluster_add(struct fake_cluster *c, enum event_type type,
                                  int32_t partition, int64_t start, int64_t end);

/* The group's member; beside it: fake_stream_open_again, whose context is the cluster. */
void fake_stream_init(struct fake_stream *s, struct fake_cluster *c);
bool fake_stream_open_again(void *context, struct stream *out, struct error *err);

/* The next poll assigns all partitions, or takes them away. */
void fake_stream_assign(struct fake_stream *s);
void fake_stream_revoke(struct fake_stream *s);

/* "segment.track", .. */
const char *fake_topic(enum event_type type);

#endif
