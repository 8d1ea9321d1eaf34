/* A cluster that is a network away: librdkafka's mock with our topics, each answer
 * delayed by a round trip. usage: bench_mock_cluster BROKERS PARTITIONS ROUND-TRIP-MS
 * [PREFIX] Prints its bootstrap servers, then runs until its input ends (so it never
 * outlives who started it). */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const types[] = { "identify", "track", "page",   "screen",
                                     "group",    "alias", "delete", "rejected" };

static rd_kafka_mock_cluster_t *start(int brokers, int partitions, const char *prefix)
{
    char why[256], topic[256];
    rd_kafka_t *owner =
        rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof why);
    rd_kafka_mock_cluster_t *cluster =
        owner != NULL ? rd_kafka_mock_cluster_new(owner, brokers) : NULL;
    for (size_t i = 0; cluster != NULL && i < sizeof types / sizeof *types; i++) {
        snprintf(topic, sizeof topic, "%s.%s", prefix, types[i]);
        rd_kafka_mock_topic_create(cluster, topic, partitions, brokers);
    }
    return cluster;
}

int main(int argc, char **argv)
{
    if (argc != 4 && argc != 5) {
        fprintf(stderr,
                "usage: bench_mock_cluster BROKERS PARTITIONS ROUND-TRIP-MS [PREFIX]\n");
        return 2;
    }
    int brokers = (int)strtol(argv[1], NULL, 10), rtt = (int)strtol(argv[3], NULL, 10);
    rd_kafka_mock_cluster_t *cluster =
        start(brokers, (int)strtol(argv[2], NULL, 10), argc == 5 ? argv[4] : "segment");
    if (cluster == NULL) {
        fprintf(stderr, "bench_mock_cluster: cannot start\n");
        return 1;
    }
    for (int broker = 1; broker <= brokers; broker++) {
        rd_kafka_mock_broker_set_rtt(cluster, broker, rtt);
    }
    printf("%s\n", rd_kafka_mock_cluster_bootstraps(cluster));
    fflush(stdout);
    for (char byte; read(STDIN_FILENO, &byte, 1) > 0;) {
    }
    return 0;
}
