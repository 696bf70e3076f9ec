/* What the parts of the Kafka log share: settings, a handle's life, and how its cluster is.
 *
 * Thread:  one owner each, but for the problem's text and the sockets (any thread).
 * Memory:  settings are deep copies; a buried handle frees itself.
 * Errors:  as log_kafka.h.
 * Units:   milliseconds. */
#pragma once
#include "bridge/log/kafka/kafka.h"
#include <librdkafka/rdkafka.h>
#include <pthread.h>

/* A broker that is there answers a question within this, also over a slow line. */
#define TB_KAFKA_QUERY_TIMEOUT_MS 2000
/* While nothing answers, or the topic is not as it should be, that is looked at again. */
#define TB_KAFKA_RECHECK_MS 500

struct kafka_settings {
    char *brokers, *client_id;
    struct tb_log_kafka_property *properties; /* owned, texts too */
    size_t property_count;
    int partitions; /* the topic should have; 0: not looked at */
    const struct tb_clock *clock;
};
TB_CHECKED enum tb_code tb_kafka_settings_copy(const struct tb_log_kafka_options *options,
                                               struct kafka_settings *ret_settings,
                                               struct tb_error *err);
void tb_kafka_settings_release(struct kafka_settings *settings);
/* Ours, the user's over them; group is the consumer's, NULL for a producer. A tail reads without
 * a group of its own. */
TB_CHECKED enum tb_code tb_kafka_conf(const struct kafka_settings *settings, const char *group,
                                      bool tail, rd_kafka_conf_t **ret_conf, struct tb_error *err);

/* What stands in the way, for a person, from any thread: first what is wrong with the connection
 * or the topic, else what is wrong with the work. */
enum kafka_problem_kind { KAFKA_PROBLEM_CONNECTION, KAFKA_PROBLEM_OPERATION, KAFKA_PROBLEM_KINDS };
struct kafka_problem {
    pthread_mutex_t lock;
    char texts[KAFKA_PROBLEM_KINDS][240];
};
void tb_kafka_problem_init(struct kafka_problem *problem);
void tb_kafka_problem_release(struct kafka_problem *problem);
/* "" ends it. */
void tb_kafka_problem_set(struct kafka_problem *problem, enum kafka_problem_kind concern,
                          const char *format, ...) TB_PRINTF(3, 4);
void tb_kafka_problem_get(struct kafka_problem *problem, char ret_text[240]);
/* The library's words for a person: what was refused first, and without how often and how long. */
void tb_kafka_plain_error(rd_kafka_resp_err_t code, const char *text, char ret_text[200]);

/* Whether any machine has answered yet, if only to refuse. The library asks for its sockets here,
 * on its threads. */
#define KAFKA_SOCKETS_MAX 64 /* more are not looked at */
struct kafka_sockets {
    pthread_mutex_t lock;
    int fds[KAFKA_SOCKETS_MAX];
    size_t count;
    bool answered;
};
void tb_kafka_sockets_init(struct kafka_sockets *sockets, rd_kafka_conf_t *conf);
void tb_kafka_sockets_release(struct kafka_sockets *sockets);
bool tb_kafka_sockets_answered(struct kafka_sockets *sockets);

/* The library's opaque pointer: outlives the owner while the library takes its time to end. */
struct kafka_handle {
    rd_kafka_t *rk;
    rd_kafka_topic_t *topic;
    void *owner; /* NULL once buried */
    struct kafka_sockets sockets;
};
/* Takes conf, also on failure. */
TB_CHECKED enum tb_code tb_kafka_handle_new(rd_kafka_type_t type, rd_kafka_conf_t *conf,
                                            const char *topic, void *owner,
                                            struct kafka_handle **ret_handle,
                                            struct tb_error *err);
/* Ends a handle (a consumer leaves its group first) on a thread of its own, and waits for that at
 * most wait_ms: a library that looks up a dead name server's answer is not waited for. All
 * messages of the handle are destroyed before. NULL is fine. */
void tb_kafka_handle_destroy(struct kafka_handle *handle, int64_t wait_ms);

/*   CONNECTING --> FINE <--> DOWN (no broker answers)
 *        |          |
 *        +--------> WRONG (a broker answers, but refuses, or the topic is not as it should be)
 *
 * The topic is looked at on the way to FINE: at the start, and when brokers were gone. */
enum kafka_cluster_state { KAFKA_CONNECTING, KAFKA_READY, KAFKA_DOWN, KAFKA_MISCONFIGURED };
struct kafka_cluster {
    enum kafka_cluster_state state;
    int64_t check_at_ms; /* monotonic; not before */
    char cause[200];     /* the last trouble with a connection */
};
/* Looks again if it is time to; does not wait unless a broker is connected. */
void tb_kafka_cluster_check(struct kafka_cluster *cluster, const struct kafka_handle *handle,
                            const struct kafka_settings *settings, struct kafka_problem *problem);
/* From error_cb. */
void tb_kafka_cluster_on_error(struct kafka_cluster *cluster,
                               const struct kafka_settings *settings,
                               struct kafka_problem *problem, rd_kafka_resp_err_t code,
                               const char *text);
struct kafka_topic_layout {
    int partitions; /* 0: the topic is not there */
    bool led;       /* each has a leader: records can be written and read */
};
rd_kafka_resp_err_t tb_kafka_query_topic(rd_kafka_t *rk, rd_kafka_topic_t *topic, int timeout_ms,
                                         struct kafka_topic_layout *ret_layout);
/* Sets the offset of each partition in the list, all of one topic, to where it begins
 * (RD_KAFKA_OFFSET_BEGINNING) or ends (RD_KAFKA_OFFSET_END). */
rd_kafka_resp_err_t
tb_kafka_query_watermarks(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *list, int64_t which);
/* What to say of a topic that has another partition count than it should. */
void tb_kafka_partition_mismatch(const char *topic, int count, int wanted, char ret_text[240]);
