/* Configuration: one table of keys; file, environment and flags in that order, the later wins.
 *
 * The INI file is --config, else $TILLBOX_CONFIG, else /etc/tillbox/tillbox.conf if it is there.
 * Environment: TILLBOX_SECTION_KEY, dots as _. Unknown keys and bad values are errors that name
 * file, line (or variable, or flag) and what is allowed; all of them are listed at once.
 *
 * Thread:  filled before any other thread starts, read-only after.
 * Memory:  texts belong to the config.
 * Errors:  TB_INVALID; *ret_report has one line per fault.
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
    TB_CONFIG_ZONE,    /* a name the machine knows, or "" */
};
enum tb_config_origin { TB_CONFIG_DEFAULT, TB_CONFIG_FILE, TB_CONFIG_ENV, TB_CONFIG_FLAG };

/* Every key there is; the order is the order of printing. */
enum tb_config_key {
    TB_NODE_NAME,
    TB_NODE_DATA,
    TB_NODE_CURRENCY,
    TB_NODE_TIMEZONE,
    TB_NODE_DAY_START,
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
    const char *fallback; /* NULL: computed at load (host name) or none */
    const char *choices;  /* TB_CONFIG_CHOICE: "inproc|kafka" */
    int64_t min, max;     /* of the typed value, of a text its bytes; 0, 0: no bound */
    bool forever;         /* TB_CONFIG_DURATION: "forever" is allowed */
    const char *help;     /* one sentence */
};
extern const struct tb_config_spec tb_config_specs[TB_CONFIG_KEY_COUNT];

/* Sections whose keys are a library's, not ours: any key is taken as it is. In the environment a
 * key is in capitals with _ for its dots. */
enum tb_config_section {
    TB_CONFIG_KAFKA_PROPERTIES,
    TB_CONFIG_KAFKA_PRODUCER,
    TB_CONFIG_KAFKA_CONSUMER,
    TB_CONFIG_SECTION_COUNT
};
const char *tb_config_section_name(enum tb_config_section section); /* "kafka.properties" */
struct tb_config_property {
    const struct tb_config_property *next; /* in the order of reading; NULL: the last */
    enum tb_config_section section;
    const char *key, *value;
    enum tb_config_origin origin;
};
/* More than any library has. */
#define TB_CONFIG_PROPERTIES_MAX 500

struct tb_config; /* opaque */

/* argv holds flags only (--flag value, --flag=value; --create-topics like flags have no value).
 * Unknown flags are faults too. environ-like env may be NULL. default_listen is the daemon's. */
TB_CHECKED enum tb_code tb_config_load(int argc, char *const *argv, char *const *env,
                                       const char *default_listen, struct tb_config **ret_config,
                                       struct tb_buf *ret_report, struct tb_error *err);
void tb_config_free(struct tb_config *config);
const char *tb_config_text(const struct tb_config *config, enum tb_config_key key);
int64_t tb_config_int(const struct tb_config *config, enum tb_config_key key);
bool tb_config_bool(const struct tb_config *config, enum tb_config_key key);
const struct tb_config_property *
tb_config_properties(const struct tb_config *config); /* NULL: none */
enum tb_config_origin tb_config_origin(const struct tb_config *config, enum tb_config_key key);
const char *tb_config_origin_name(enum tb_config_origin origin); /* "default", "file", ... */
/* Lines `section.key = value  # origin` with each key's meaning above it; or the JSON list.
 * Passwords are not shown. */
void tb_config_print(const struct tb_config *config, bool json, struct tb_buf *out);
