/* librdkafka's mock cluster as a process of its own: prints its address, runs until it is
 * ended. For benchmarks without a real Kafka: it stores nothing on disk. */
#include "tests/support/mock_kafka.h"

#include <stdio.h>
#include <unistd.h>

int main(void)
{
    struct mock_kafka *kafka = mock_kafka_start();
    printf("%s\n", mock_kafka_brokers(kafka));
    fflush(stdout);
    pause();
    mock_kafka_stop(kafka);
    return 0;
}
