/* Configuration: one table of keys. Values come from the defaults, a file, the environment and
 * flags; in this order a later source overrides an earlier one.
 *
 * The file is INI: --config, else $TILLBOX_CONFIG, else /etc/tillbox/tillbox.conf if it exists. A
 * variable is TILLBOX_SECTION_KEY, with _ for dots. Unknown keys and wrong values are errors that
 * name the file and line (or the variable, or the flag) and what is allowed; all are reported at
 * once.
 *
 * Thread:  loaded before other threads start, read-only afterwards.
 * Memory:  texts belong to the config.
 * Errors:  TB_INVALID; *ret_report has one line for each error.
 * Units:   typed as the key says: text, whole number, size (bytes; KiB, MiB, GiB), duration
 *          (milliseconds; ms, s, m, h, d; "forever" is -1 where allowed), yes/no, one of a list,
 *          time of day (minutes). */
#pragma once
#include "base/mem/buf.h"
#include <stdint.h>

enum tb_config_type {
    TB_CONFIG_TEXT,
    TB_CONFIG_INT,
    TB_CONFIG_SIZE,
    TB_CONFIG_DURATION,
    TB_CONFIG_BOOL,
    TB_CONFIG_CHOICE,
    TB_CONFIG_TIME_OF_DAY,
    TB_CONFIG_NODE_NAME,
    TB_CONFIG_CURRENCY,
    TB_CONFIG_ADDRESS, /* host:port */
    TB_CONFIG_ZONE,    /* a zone name that the machine knows, or "" */
};
enum tb_config_origin { TB_CONFIG_DEFAULT, TB_CONFIG_FILE, TB_CONFIG_ENV, TB_CONFIG_FLAG };

/* Every key, in the order of printing. */
enum tb_config_key {
    TB_NODE_NAME,
    TB_NODE_DATA,
    TB_NODE_CURRENCY,
    TB_NODE_TIMEZONE,
    TB_NODE_DAY_START,
    TB_NODE_ALLOW_ANY_FILESYSTEM,
    TB_HTTP_LISTEN,
    TB_HTTP_ALLOWED_HOSTS,
    TB_HTTP_ALLOWED_ORIGINS,
    TB_LOG_KIND,
    TB_KAFKA_BROKERS,
    TB_KAFKA_TOPIC,
    TB_KAFKA_GROUP,
    TB_KAFKA_PARTITIONS,
    TB_KAFKA_KEY,
    TB_KAFKA_CREATE_TOPICS,
    TB_KAFKA_REPLICATION,
    TB_MONGO_URI,
    TB_MONGO_DATABASE,
    TB_MONGO_BULK_SIZE,
    TB_LINK_OFFLINE_AFTER,
    TB_LINK_RETRY_MAX,
    TB_LINK_FIRST_RETRY_SPREAD,
    TB_LINK_ON_LOG_LOSS,
    TB_LINK_RESEND_RATE,
    TB_RETENTION_OUTBOX,
    TB_RETENTION_IDEMPOTENCY,
    TB_RETENTION_LOG,
    TB_RETENTION_DEAD_LETTERS,
    TB_LIMITS_DISK_RESERVE,
    TB_LIMITS_BODY,
    TB_LIMITS_LINES,
    TB_LIMITS_DEPTH,
    TB_LIMITS_HEADER,
    TB_LIMITS_HEADER_TIMEOUT,
    TB_LIMITS_BODY_TIMEOUT,
    TB_LIMITS_CONNECTIONS,
    TB_LIMITS_CONNECTIONS_PER_ADDRESS,
    TB_CONFIG_KEY_COUNT
};

struct tb_config_spec {
    const char *section, *key; /* "node", "name" */
    const char *flag;          /* "--node", or NULL */
    enum tb_config_type type;
    const char *fallback; /* NULL: computed when loading (host name), or none */
    const char *choices;  /* TB_CONFIG_CHOICE: "inproc|kafka" */
    int64_t min, max;     /* of the value; of a text: of its bytes; 0, 0: no limits */
    bool forever;         /* TB_CONFIG_DURATION: "forever" is allowed */
    const char *help;     /* one sentence */
};
extern const struct tb_config_spec tb_config_specs[TB_CONFIG_KEY_COUNT];

/* Sections for the properties of librdkafka: any key is accepted and passed on. A variable has the
 * key in capitals, with _ for dots. */
enum tb_config_section {
    TB_CONFIG_KAFKA_PROPERTIES,
    TB_CONFIG_KAFKA_PRODUCER,
    TB_CONFIG_KAFKA_CONSUMER,
    TB_CONFIG_SECTION_COUNT
};
const char *tb_config_section_name(enum tb_config_section section); /* "kafka.properties" */
struct tb_config_property {
    const struct tb_config_property *next; /* in the order of reading; NULL: this is the last */
    enum tb_config_section section;
    const char *key, *value;
    enum tb_config_origin origin;
};
/* librdkafka has fewer properties than this. */
#define TB_CONFIG_PROPERTIES_MAX 500

/* A till adds a line to this file in node.data when it finds that its store was put back or is a
 * copy; `tillbox config` then fails until a person has removed the file. */
#define TB_RESTORED_NOTE "restored"

struct tb_config; /* opaque */

/* argv: flags only (--flag value or --flag=value; flags of type yes/no need no value). env: like
 * environ; may be NULL. default_listen: the daemon's default for http.listen. */
TB_CHECKED enum tb_code tb_config_load(int argc, char *const *argv, char *const *env,
                                       const char *default_listen, struct tb_config **ret_config,
                                       struct tb_buf *ret_report, struct tb_error *err);
void tb_config_free(struct tb_config *config);
const char *tb_config_text(const struct tb_config *config, enum tb_config_key key);
int64_t tb_config_int(const struct tb_config *config, enum tb_config_key key);
const struct tb_config_property *
tb_config_properties(const struct tb_config *config); /* NULL: none */
/* Prints `section.key = value  # origin` with the key's meaning above it, or the same as JSON.
 * Hides passwords. */
void tb_config_print(const struct tb_config *config, bool json, struct tb_buf *out);
