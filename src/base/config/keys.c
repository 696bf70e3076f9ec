#include "base/config/config.h"

#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define DAY_MS (1440 * MINUTE_MS)
#define YEARS_10_MS (3650 * DAY_MS)
#define TOPIC_MAX 245

/* Reasons for the limits: with less than a minute of retention nobody could look at anything;
 * clients may rely on 24 hours of idempotency; orders have at most 1,000 lines and JSON at most 32
 * levels in every program, so these can only be lowered; bodies of 16 MiB from many connections at
 * once fill the memory; Kafka allows 249 bytes for a topic's name with .DLT behind it; a batch of
 * the log has at most 1,000 events. */
const struct tb_config_spec tb_config_specs[TB_CONFIG_KEY_COUNT] = {
    [TB_NODE_NAME] = {"node", "name", "--node", TB_CONFIG_NODE_NAME, NULL, .min = 1, .max = 32,
                      .help = "What this till is called, on receipts and centrally; the host "
                              "name unless set."},
    [TB_NODE_DATA] = {"node", "data", "--data", TB_CONFIG_TEXT, "./tillbox-data", .min = 1,
                      .max = 3072,
                      .help = "The folder that holds the orders; one process uses "
                              "it at a time."},
    [TB_NODE_CURRENCY] = {"node", "currency", NULL, TB_CONFIG_CURRENCY, "EUR",
                          .help = "The currency of orders that name none."},
    [TB_NODE_TIMEZONE] = {"node", "timezone", NULL, TB_CONFIG_ZONE, "",
                          .help = "The time zone of business dates, such as Europe/Berlin; the "
                                  "system's unless set."},
    [TB_NODE_DAY_START] = {"node", "day_start", NULL, TB_CONFIG_TIME_OF_DAY, "00:00",
                           .help = "When the business day begins; sales before it count for the "
                                   "day before."},
    [TB_NODE_ALLOW_ANY_FILESYSTEM] = {"node", "allow_any_filesystem", NULL, TB_CONFIG_BOOL, "no",
                                      .help = "Use the folder even if it is on a network or FUSE "
                                              "file system, which cannot hold orders safely."},
    [TB_HTTP_LISTEN] = {"http", "listen", "--listen", TB_CONFIG_ADDRESS, NULL,
                        .help = "Address and port to listen on; port 0 picks a free one."},
    [TB_HTTP_ALLOWED_HOSTS] = {"http", "allowed_hosts", NULL, TB_CONFIG_TEXT, "", .max = 4096,
                               .help = "Host names, separated by commas, that requests may name "
                                       "besides loopback ones."},
    [TB_HTTP_ALLOWED_ORIGINS] = {"http", "allowed_origins", NULL, TB_CONFIG_TEXT, "", .max = 4096,
                                 .help =
                                     "Origins of web pages from elsewhere, separated by commas, "
                                     "that may use this API: commands, queries, WebSocket."},
    [TB_LOG_KIND] = {"log", "kind", "--log", TB_CONFIG_CHOICE, "inproc", .choices = "inproc|kafka",
                     .help = "The event log: inproc is in the data folder, kafka sends it to a "
                             "cluster too."},
    [TB_KAFKA_BROKERS] = {"kafka", "brokers", "--kafka-brokers", TB_CONFIG_TEXT, "", .max = 4096,
                          .help = "Brokers to ask for the cluster, host:port, separated by "
                                  "commas."},
    [TB_KAFKA_TOPIC] = {"kafka", "topic", "--kafka-topic", TB_CONFIG_TEXT, "order-events",
                        .min = 1, .max = TOPIC_MAX,
                        .help = "The topic of events; its dead letters are in the one with .DLT "
                                "behind its name."},
    [TB_KAFKA_GROUP] = {"kafka", "group", "--kafka-group", TB_CONFIG_TEXT, "tillbox-central",
                        .min = 1, .max = 200, .help = "The consumer group of the centrals."},
    [TB_KAFKA_PARTITIONS] = {"kafka", "partitions", "--kafka-partitions", TB_CONFIG_INT, "6",
                             .min = 1, .max = 256,
                             .help = "How many partitions the topic has; never to be changed "
                                     "once events are in it."},
    [TB_KAFKA_KEY] = {"kafka", "key", "--kafka-key", TB_CONFIG_CHOICE, "order",
                      .choices = "order|customer",
                      .help =
                          "What keeps its order in the log: an order's events, or a customer's "
                          "from one node."},
    [TB_KAFKA_CREATE_TOPICS] = {"kafka", "create_topics", "--create-topics", TB_CONFIG_BOOL, "no",
                                .help = "Create the topics that are missing."},
    [TB_KAFKA_REPLICATION] = {"kafka", "replication", "--kafka-replication", TB_CONFIG_INT, "0",
                              .max = 100,
                              .help = "Copies of each partition of a topic that is created; 0: "
                                      "the broker's own choice."},
    [TB_MONGO_URI] = {"mongo", "uri", "--mongo-uri", TB_CONFIG_TEXT, "", .max = 4096,
                      .help = "The MongoDB of the read model, mongodb://host:port/?options."},
    [TB_MONGO_DATABASE] = {"mongo", "database", "--mongo-database", TB_CONFIG_TEXT, "tillbox",
                           .min = 1, .max = 63, .help = "The database of the read model."},
    [TB_MONGO_BULK_SIZE] = {"mongo", "bulk_size", "--mongo-bulk-size", TB_CONFIG_INT, "500",
                            .min = 1, .max = 1000,
                            .help = "Most events that are written at once."},
    [TB_LINK_OFFLINE_AFTER] = {"link", "offline_after", NULL, TB_CONFIG_DURATION, "10s",
                               .min = SECOND_MS, .max = 10 * MINUTE_MS,
                               .help = "Time without progress after which the link is shown "
                                       "offline."},
    [TB_LINK_RETRY_MAX] = {"link", "retry_max", NULL, TB_CONFIG_DURATION, "300s", .min = SECOND_MS,
                           .max = DAY_MS, .help = "Longest wait between two tries to connect."},
    [TB_LINK_FIRST_RETRY_SPREAD] = {"link", "first_retry_spread", NULL, TB_CONFIG_DURATION, "120s",
                                    .max = 60 * MINUTE_MS,
                                    .help = "The first try after a loss is at a random moment "
                                            "within this, so that many tills do not come back "
                                            "at once."},
    [TB_LINK_ON_LOG_LOSS] = {"link", "on_log_loss", NULL, TB_CONFIG_CHOICE, "resend",
                             .choices = "resend|alarm",
                             .help = "What to do when Kafka has lost what this node delivered: "
                                     "send it again, or only fail in /healthz."},
    [TB_LINK_RESEND_RATE] = {"link", "resend_rate", NULL, TB_CONFIG_INT, "2000", .min = 1,
                             .max = 100000,
                             .help = "Most events a second that are sent again, beside new "
                                     "orders."},
    [TB_RETENTION_OUTBOX] = {"retention", "outbox", NULL, TB_CONFIG_DURATION, "24h",
                             .min = MINUTE_MS, .max = YEARS_10_MS,
                             .help = "How long delivered outbox rows are kept, counted while "
                                     "the node runs."},
    [TB_RETENTION_IDEMPOTENCY] = {"retention", "idempotency", NULL, TB_CONFIG_DURATION, "24h",
                                  .min = DAY_MS, .max = YEARS_10_MS,
                                  .help = "How long the answers to idempotency keys are "
                                          "remembered, counted while the node runs."},
    [TB_RETENTION_LOG] = {"retention", "log", NULL, TB_CONFIG_DURATION, "forever",
                          .min = MINUTE_MS, .max = YEARS_10_MS, .forever = true,
                          .help = "How long the in-process log keeps events that were read."},
    [TB_RETENTION_DEAD_LETTERS] = {"retention", "dead_letters", NULL, TB_CONFIG_DURATION, "90d",
                                   .min = MINUTE_MS, .max = YEARS_10_MS, .forever = true,
                                   .help = "How long dead letters are kept."},
    [TB_LIMITS_DISK_RESERVE] = {"limits", "disk_reserve", NULL, TB_CONFIG_SIZE, "64MiB",
                                .max = 1024 * 1024 * MIB,
                                .help = "Free disk space below which orders are refused (507)."},
    [TB_LIMITS_BODY] = {"limits", "body", NULL, TB_CONFIG_SIZE, "1MiB", .min = KIB,
                        .max = 16 * MIB, .help = "Largest request body."},
    [TB_LIMITS_LINES] = {"limits", "lines", NULL, TB_CONFIG_INT, "1000", .min = 1, .max = 1000,
                         .help = "Most lines in an order."},
    [TB_LIMITS_DEPTH] = {"limits", "depth", NULL, TB_CONFIG_INT, "32", .min = 3, .max = 32,
                         .help = "Deepest nesting of a JSON body."},
    [TB_LIMITS_HEADER] = {"limits", "header", NULL, TB_CONFIG_SIZE, "8KiB", .min = KIB,
                          .max = 64 * KIB, .help = "Largest request header."},
    [TB_LIMITS_HEADER_TIMEOUT] = {"limits", "header_timeout", NULL, TB_CONFIG_DURATION, "5s",
                                  .min = 100, .max = 10 * MINUTE_MS,
                                  .help = "Time to send a request's header in."},
    [TB_LIMITS_BODY_TIMEOUT] = {"limits", "body_timeout", NULL, TB_CONFIG_DURATION, "10s",
                                .min = 100, .max = 10 * MINUTE_MS,
                                .help = "Time to send a request's body in."},
    [TB_LIMITS_CONNECTIONS] = {"limits", "connections", NULL, TB_CONFIG_INT, "8192", .min = 1,
                               .max = 65536, .help = "Most connections in all."},
    [TB_LIMITS_CONNECTIONS_PER_ADDRESS] = {"limits", "connections_per_address", NULL,
                                           TB_CONFIG_INT, "512", .min = 1, .max = 65536,
                                           .help = "Most connections from one address, loopback "
                                                   "excepted."},
};
