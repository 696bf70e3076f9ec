/* What the Kafka reader, writer and queries share: configuration, a client's handle, and the state
 * of the cluster.
 *
 * Thread:  each belongs to its owner's thread. Only the problem's text and the sockets may be used
 *          by other threads; they have locks. */
#pragma once
#include "bridge/log/kafka/kafka.h"
#include <librdkafka/rdkafka.h>
#include <pthread.h>

/* A broker that can be reached answers a query within this time, also over a slow line. */
#define TB_KAFKA_QUERY_TIMEOUT_MS 2000
/* How often the cluster is checked while it is not KAFKA_READY. */
#define TB_KAFKA_RECHECK_MS 500
/* How often a topic with a known number of partitions is checked while it is. */
#define TB_KAFKA_READY_RECHECK_MS 60000

/* Our properties, then the user's. group: the consumer's; NULL for a producer. tail: a consumer
 * that starts at the end wherever its position is lost. */
TB_CHECKED enum tb_code tb_kafka_conf(const struct tb_log_kafka_options *options,
                                      const char *group, bool tail, rd_kafka_conf_t **ret_conf,
                                      struct tb_error *err);

/* For TB_CLEANUP. */
static inline void tb_kafka_list_free(rd_kafka_topic_partition_list_t **list)
{
    if (*list)
        rd_kafka_topic_partition_list_destroy(*list);
}

/* What is wrong, as a text for a person. A problem of the connection or the topic hides one of the
 * operations, because it usually causes it. */
enum kafka_problem_kind { KAFKA_PROBLEM_CONNECTION, KAFKA_PROBLEM_OPERATION, KAFKA_PROBLEM_KINDS };
struct kafka_problem {
    pthread_mutex_t lock;
    char texts[KAFKA_PROBLEM_KINDS][240];
};
void tb_kafka_problem_init(struct kafka_problem *problem);
void tb_kafka_problem_release(struct kafka_problem *problem);
/* The text "" clears the problem. */
void tb_kafka_problem_set(struct kafka_problem *problem, enum kafka_problem_kind kind,
                          const char *format, ...) TB_PRINTF(3, 4);
void tb_kafka_problem_get(struct kafka_problem *problem, char ret_text[240]);
/* librdkafka's text, shortened for a person: what was refused comes first, and how long it took
 * and how often it happened is left out. */
void tb_kafka_plain_error(rd_kafka_resp_err_t code, const char *text, char ret_text[200]);

/* Tells whether any machine has answered our connection attempts yet, if only by refusing them.
 * librdkafka opens and closes its sockets through this, on its own threads. */
#define KAFKA_SOCKETS_MAX 64 /* more are not watched */
struct kafka_sockets {
    pthread_mutex_t lock;
    int fds[KAFKA_SOCKETS_MAX];
    size_t count;
    bool answered;
};
void tb_kafka_sockets_init(struct kafka_sockets *sockets, rd_kafka_conf_t *conf);
void tb_kafka_sockets_release(struct kafka_sockets *sockets);
bool tb_kafka_sockets_answered(struct kafka_sockets *sockets);

/* librdkafka's opaque pointer. It outlives its owner until librdkafka's threads have ended. */
struct kafka_handle {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    void *owner; /* NULL: the handle is being destroyed, callbacks must do nothing */
    struct kafka_sockets sockets;
};
/* Takes ownership of conf, also on failure. */
TB_CHECKED enum tb_code tb_kafka_handle_new(rd_kafka_type_t type, rd_kafka_conf_t *conf,
                                            const char *topic, void *owner,
                                            struct kafka_handle **ret_handle,
                                            struct tb_error *err);
/* Destroys the handle on a thread of its own (a consumer leaves its group first) and waits at most
 * wait_ms for that: librdkafka's threads can hang in the name lookup of a dead server. Destroy all
 * messages of the handle before. NULL is fine. */
void tb_kafka_handle_destroy(struct kafka_handle *handle, int64_t wait_ms);

/*   CONNECTING --> READY <--> DOWN (no broker answers)
 *        |           |
 *        +-----------+--> MISCONFIGURED (a broker answers but refuses us, or the topic is missing
 *                         or has another number of partitions)
 *
 * The topic is checked before each move to READY, and each minute while READY. */
enum kafka_cluster_state { KAFKA_CONNECTING, KAFKA_READY, KAFKA_DOWN, KAFKA_MISCONFIGURED };
struct kafka_cluster {
    enum kafka_cluster_state state;
    int64_t check_at_ms; /* not before; monotonic */
    char cause[200];     /* the last connection error */
};
/* Checks the cluster if the time has come. Waits for answers only while a broker is connected. */
void tb_kafka_cluster_check(struct kafka_cluster *cluster, const struct kafka_handle *handle,
                            const struct tb_log_kafka_options *options,
                            struct kafka_problem *problem);
/* For librdkafka's error_cb. */
void tb_kafka_cluster_on_error(struct kafka_cluster *cluster,
                               const struct tb_log_kafka_options *options,
                               struct kafka_problem *problem, rd_kafka_resp_err_t code,
                               const char *text);
struct kafka_topic_layout {
    int partitions;   /* 0: the topic does not exist */
    bool has_leaders; /* every partition has one: it can be written and read */
};
rd_kafka_resp_err_t tb_kafka_query_topic(rd_kafka_t *rk, rd_kafka_topic_t *topic, int timeout_ms,
                                         struct kafka_topic_layout *ret_layout);
/* reader/reader.c: lists the partitions that are assigned to the reader. Any thread. */
rd_kafka_resp_err_t tb_kafka_reader_assignment(const struct tb_log_reader *reader,
                                               rd_kafka_topic_partition_list_t **ret_list);
/* Sets begin and end of ranges[p] for each partition p in the list, which are all of one topic.
 * Overwrites the offsets and errors of the list. */
rd_kafka_resp_err_t tb_kafka_query_watermarks(rd_kafka_t *rk,
                                              rd_kafka_topic_partition_list_t *list,
                                              struct tb_log_range *ranges);
/* The error text for a topic with the wrong number of partitions: what to do. more: it could have
 * more. */
void tb_kafka_partition_mismatch(const char *topic, int count, int expected, bool more,
                                 char ret_text[240]);
