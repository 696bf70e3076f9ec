#include "query/mongo/dead_letters/dead_letters.h"
#include "query/mongo/driver/fields.h"

/* A larger record is stored without its value. Its position says where the log has the value. */
#define RECORD_BYTES_MAX (12u << 20)

#define HEADER(member) TB_BSON_AT(struct tb_header, member)
static const struct tb_bson_field header_fields[] = {
    {"name", TB_BSON_BYTES, HEADER(name)},
    {"value", TB_BSON_BYTES, HEADER(value)},
};
static const struct tb_bson_table header_table = TB_BSON_TABLE(struct tb_header, header_fields);

struct document {
    struct tb_str id, topic;
    struct tb_dead_letter dead_letter;
    int64_t last_offset; /* of the last record with an outcome */
    int64_t timestamp_ms;
    struct tb_str node;     /* that ce_source names */
    int64_t occurred_at_ms; /* 0: not known */
};
#define DOCUMENT(member) TB_BSON_AT(struct document, member)
#define DEAD_LETTER(member) TB_BSON_AT(struct document, dead_letter.member)
/* Indexes of fields[] at which a part of the document begins. */
enum { ID, TOPIC, ORDER_ID = 5, HEADERS = 17, VALUE, ATTEMPTS };
static const struct tb_bson_field fields[] = {
    [ID] = {"_id", TB_BSON_STR, DOCUMENT(id)},
    [TOPIC] = {"topic", TB_BSON_STR, DOCUMENT(topic)},
    {"partition", TB_BSON_INT32, DEAD_LETTER(position.partition)},
    {"offset", TB_BSON_INT, DEAD_LETTER(position.offset)},
    {"deadAt", TB_BSON_TIME, DEAD_LETTER(dead_at_ms)},
    [ORDER_ID] = {"orderId", TB_BSON_TEXT, DEAD_LETTER(order_id), TB_BSON_OMIT},
    {"version", TB_BSON_INT, DEAD_LETTER(version)},
    {"type", TB_BSON_STR, DEAD_LETTER(type)},
    {"reason", TB_BSON_STR, DEAD_LETTER(reason)},
    {"message", TB_BSON_STR, DEAD_LETTER(message)},
    {"status", TB_BSON_ENUM, DEAD_LETTER(status), TB_BSON_STRICT,
     .name_of = tb_dead_letter_status_name, .max = TB_DEAD_LETTER_DROPPED + 1},
    {"lastOffset", TB_BSON_INT, DOCUMENT(last_offset)},
    {"changedAt", TB_BSON_TIME, DEAD_LETTER(changed_at_ms)},
    {"timestamp", TB_BSON_TIME, DOCUMENT(timestamp_ms)},
    {"node", TB_BSON_STR, DOCUMENT(node)},
    {"occurredAt", TB_BSON_TIME, DOCUMENT(occurred_at_ms), TB_BSON_OMIT},
    {"key", TB_BSON_BYTES, DEAD_LETTER(key)},
    [HEADERS] = {"headers", TB_BSON_LIST, DEAD_LETTER(headers), TB_BSON_STRICT,
                 offsetof(struct document, dead_letter.header_count), .element = &header_table},
    [VALUE] = {"value", TB_BSON_BYTES, DEAD_LETTER(value)},
    [ATTEMPTS] = {"attempts", TB_BSON_INT, DEAD_LETTER(attempts)},
    {"follows", TB_BSON_INT, DEAD_LETTER(redrives)},
};
static const struct tb_bson_table table = TB_BSON_TABLE(struct document, fields);

static bool keeps_headers(const struct tb_record *record)
{
    return tb_record_size(record) - record->value.len <= RECORD_BYTES_MAX;
}

static struct document document_of(const struct tb_mongo_client *client,
                                   const struct tb_plan *plan,
                                   const struct tb_plan_dead_letter *dead)
{
    const struct tb_record *record = dead->record;
    struct document document = {
        .topic = tb_str_of(client->mongo->topic),
        .dead_letter = {.position = {plan->partition, dead->first_offset},
                        .dead_at_ms = plan->planned_at_ms,
                        .version = dead->version,
                        .type = dead->type,
                        .reason = tb_str_of(dead->reason),
                        .message = dead->message,
                        .status = TB_DEAD_LETTER_OPEN,
                        .changed_at_ms = plan->planned_at_ms,
                        .key = record->key,
                        .headers = record->headers,
                        .header_count = record->header_count,
                        .attempts = 1},
        .last_offset = record->offset,
        .timestamp_ms = record->timestamp_ms,
        .node = dead->node,
        .occurred_at_ms = dead->occurred_at_ms,
    };

    memcpy(document.dead_letter.order_id, dead->order_id, sizeof dead->order_id);
    if (tb_record_size(record) <= RECORD_BYTES_MAX)
        document.dead_letter.value = record->value;
    return document;
}

static void put_record(struct tb_bson_writer out, const struct document *document,
                       const struct tb_record *record)
{
    tb_bson_put_range(out, &table, ORDER_ID, HEADERS - ORDER_ID, document);
    if (keeps_headers(record))
        tb_bson_put_range(out, &table, HEADERS, 1, document);
    tb_bson_put_range(out, &table, VALUE, 1, document);
}

void tb_mongo_put_first_death(struct tb_bson_writer out, const char *id,
                              const struct tb_mongo_client *client, const struct tb_plan *plan,
                              const struct tb_plan_dead_letter *dead)
{
    struct document document = document_of(client, plan, dead);

    document.id = tb_str_of(id);
    tb_bson_put_range(out, &table, ID, ORDER_ID, &document);
    put_record(out, &document, dead->record);
    tb_bson_put_range(out, &table, ATTEMPTS, 2, &document);
}

/* Removes the fields that the replayed record does not have, or that are too large to store. */
static void put_unset(struct tb_bson_writer out, const struct document *document,
                      const struct tb_record *record)
{
    const struct {
        const char *name;
        bool is_there;
    } optional[] = {{"type", document->dead_letter.type.ptr},
                    {"key", document->dead_letter.key.ptr},
                    {"value", document->dead_letter.value.ptr},
                    {"headers", keeps_headers(record)}};
    struct tb_bson_writer unset = {NULL, out.failed};
    bson_t within;

    /* Opened for the first field only: a server may refuse an empty $unset. */
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++) {
        if (optional[i].is_there)
            continue;
        if (!unset.doc)
            unset = tb_bson_open(out, "$unset", &within);
        tb_bson_put_text(unset, optional[i].name, "");
    }
    if (unset.doc)
        tb_bson_close(out, unset);
}

void tb_mongo_put_next_death(struct tb_bson_writer out, const struct tb_mongo_client *client,
                             const struct tb_plan *plan, const struct tb_plan_dead_letter *dead)
{
    const struct document document = document_of(client, plan, dead);
    bson_t inner;
    struct tb_bson_writer part = tb_bson_open(out, "$set", &inner);

    put_record(part, &document, dead->record);
    if (!dead->redriven)
        tb_bson_put_int(part, "follows", 0);
    tb_bson_close(out, part);
    put_unset(out, &document, dead->record);
    part = tb_bson_open(out, "$inc", &inner);
    tb_bson_put_int(part, "attempts", 1);
    if (dead->redriven)
        tb_bson_put_int(part, "follows", 1);
    tb_bson_close(out, part);
    part = tb_bson_open(out, "$setOnInsert", &inner); /* if it was removed meanwhile */
    tb_bson_put_range(part, &table, TOPIC, ORDER_ID - TOPIC, &document);
    tb_bson_close(out, part);
}

void tb_mongo_put_replayed(struct tb_bson_writer out, const struct tb_plan *plan, int64_t offset)
{
    bson_t inner;
    struct tb_bson_writer set = tb_bson_open(out, "$set", &inner);

    tb_bson_put_text(set, "status", "replayed");
    tb_bson_put_int(set, "lastOffset", offset);
    tb_bson_put_time(set, "changedAt", plan->planned_at_ms);
    tb_bson_close(out, set);
}

enum tb_code tb_mongo_dead_letter_decode(const bson_t *doc, struct tb_arena *arena,
                                         struct tb_dead_letter *ret_dead_letter,
                                         struct tb_error *err)
{
    struct document document = {.dead_letter.position.offset = -1};

    if (!tb_bson_get_fields(doc, &table, arena, &document) ||
        document.dead_letter.position.offset < 0 || !document.dead_letter.reason.ptr)
        return tb_error_set(err, TB_CORRUPT, "a document of dead_letters is not what was written");
    /* Earlier versions stored any number of them. */
    if (document.dead_letter.header_count > TB_LOG_HEADERS_MAX)
        document.dead_letter.header_count = TB_LOG_HEADERS_MAX;
    *ret_dead_letter = document.dead_letter;
    return TB_OK;
}
