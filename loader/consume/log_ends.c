#include "loader/consume/log_ends.h"

#include "common/service/kafka_conf.h"

#include <librdkafka/rdkafka.h>

bool log_ends_read(struct rd_kafka_s *client, enum log_end_kind kind,
                   struct rd_kafka_topic_partition_list_s *list, int timeout_ms,
                   struct error *err)
{
    for (int i = 0; i < list->cnt; i++) {
        /* In a question by time these stand for the two ends (Kafka's protocol,
         * ListOffsets: -2 and -1). */
        list->elems[i].offset =
            kind == LOG_START ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
    }
    rd_kafka_resp_err_t code = rd_kafka_offsets_for_times(client, list, timeout_ms);
    for (int i = 0; code == RD_KAFKA_RESP_ERR_NO_ERROR && i < list->cnt; i++) {
        code = list->elems[i].err;
        if (code == RD_KAFKA_RESP_ERR_NO_ERROR && list->elems[i].offset < 0) {
            code = RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE; /* nobody answered for it */
        }
    }
    return code == RD_KAFKA_RESP_ERR_NO_ERROR ||
           kafka_error_set(err, code, "reading the log's bounds");
}
