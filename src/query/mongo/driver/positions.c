#include "query/mongo/driver/positions.h"
#include "query/mongo/driver/bulk.h"
#include "query/mongo/driver/fields.h"
#include "query/mongo/driver/find.h"
#include <stdio.h>

#define POSITION_ID_SIZE (TB_MONGO_NAME_SIZE + 256)

struct document {
    char id[POSITION_ID_SIZE];
    struct tb_str topic, feeds, why;
    int64_t partition, generation, next, last_offset, last_at_ms, began_ms;
    char last_event_id[TB_LOG_EVENT_ID_SIZE];
};
#define FIELD(member) TB_BSON_AT(struct document, member)
enum { ID, TOPIC, GENERATION = 4, BEGAN = 9, FIELDS = 11 };
static const struct tb_bson_field fields[FIELDS] = {
    [ID] = {"_id", TB_BSON_TEXT, FIELD(id)},
    [TOPIC] = {"topic", TB_BSON_STR, FIELD(topic)},
    {"feeds", TB_BSON_STR, FIELD(feeds)},
    {"partition", TB_BSON_INT, FIELD(partition)},
    [GENERATION] = {"generation", TB_BSON_INT, FIELD(generation)},
    {"next", TB_BSON_INT, FIELD(next)},
    {"lastOffset", TB_BSON_INT, FIELD(last_offset)},
    {"lastEventId", TB_BSON_TEXT, FIELD(last_event_id)},
    {"lastAt", TB_BSON_TIME, FIELD(last_at_ms)},
    [BEGAN] = {"began", TB_BSON_TIME, FIELD(began_ms)},
    {"why", TB_BSON_STR, FIELD(why)},
};
static const struct tb_bson_table table = TB_BSON_TABLE(struct document, fields);

static void position_id(const struct tb_mongo_positions *positions, int32_t partition,
                        char ret_id[POSITION_ID_SIZE])
{
    snprintf(ret_id, POSITION_ID_SIZE, "%s/%d", positions->topic, (int)partition);
}

static enum tb_code decode(const bson_t *doc, struct tb_arena *arena, struct document *ret_read,
                           struct tb_log_place *ret_place, struct tb_error *err)
{
    struct document read = {.next = -1, .last_offset = -1};

    if (!tb_bson_get_fields(doc, &table, arena, &read) || read.generation < 1 || read.next < 0)
        return tb_error_set(err, TB_CORRUPT, "positions: a document is not as written");
    *ret_read = read;
    *ret_place = (struct tb_log_place){
        .next = tb_log_with_generation(read.generation, read.next),
        .last_offset =
            read.last_offset < 0 ? -1 : tb_log_with_generation(read.generation, read.last_offset),
        .last_at_ms = read.last_at_ms};
    memcpy(ret_place->last_event_id, read.last_event_id, sizeof read.last_event_id);
    return TB_OK;
}

enum tb_code tb_mongo_read_place(const struct tb_mongo_client *client,
                                 const struct tb_mongo_positions *positions, int32_t partition,
                                 struct tb_log_place *ret_place, int64_t *ret_unused,
                                 struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter =
        BCON_NEW("feeds", BCON_UTF8(positions->feeds), "partition", BCON_INT64(partition));
    struct tb_log_place place = TB_LOG_NO_PLACE, found = TB_LOG_NO_PLACE;
    struct document read = {0};
    int64_t unused = 1;
    const bson_t *doc;

    tb_mongo_find(&cursor, client, "positions", filter, NULL);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        TB_TRY(decode(doc, &arena, &read, &place, err));
        if (tb_str_eq(read.topic, tb_str_of(positions->topic)))
            found = place;
        if (read.generation >= unused)
            unused = read.generation + 1;
    }
    TB_TRY(tb_mongo_cursor_end(&cursor, "reading where the view stands", err));
    *ret_place = found;
    *ret_unused = unused;
    return TB_OK;
}

static struct document document_of(const struct tb_mongo_positions *positions, int32_t partition,
                                   const struct tb_log_place *place, const char *why)
{
    struct document document = {
        .topic = tb_str_of(positions->topic),
        .feeds = tb_str_of(positions->feeds),
        .partition = partition,
        .generation = tb_log_generation(place->next),
        .next = tb_log_offset(place->next),
        .last_offset = place->last_offset < 0 ? -1 : tb_log_offset(place->last_offset),
        .last_at_ms = place->last_at_ms,
        .began_ms = tb_clock_wall_ms(positions->mongo->clock),
        .why = tb_str_of(why ? why : ""),
    };

    position_id(positions, partition, document.id);
    memcpy(document.last_event_id, place->last_event_id, sizeof place->last_event_id);
    return document;
}

static enum tb_code insert(const struct tb_mongo_client *client, const struct document *document,
                           bool *ret_done, struct tb_error *err)
{
    struct tb_mongo_op op = {.kind = TB_MONGO_INSERT, .document = bson_new()};
    bool failed = false;

    tb_bson_put_fields((struct tb_bson_writer){op.document, &failed}, &table, document);
    if (failed) {
        tb_mongo_ops_clear(&op, 1);
        return tb_mongo_no_memory(err);
    }
    return tb_mongo_write_one(client, "positions", &op, "writing where the view stands", ret_done,
                              err);
}

enum tb_code tb_mongo_write_place(const struct tb_mongo_client *client,
                                  const struct tb_mongo_positions *positions, int32_t partition,
                                  const struct tb_log_place *before,
                                  const struct tb_log_place *place, const char *why,
                                  bool *ret_done, struct tb_error *err)
{
    struct document document = document_of(positions, partition, place, why);
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    TB_CLEANUP(tb_bson_free) bson_t *update = bson_new();
    bool failed = false;
    struct tb_bson_writer set;
    bson_t inner;

    if (before->next < 0)
        return insert(client, &document, ret_done, err);
    filter = BCON_NEW("_id", BCON_UTF8(document.id), "generation",
                      BCON_INT64(tb_log_generation(before->next)), "next",
                      BCON_INT64(tb_log_offset(before->next)));
    set = tb_bson_open((struct tb_bson_writer){update, &failed}, "$set", &inner);
    tb_bson_put_range(set, &table, GENERATION, (why ? FIELDS : BEGAN) - GENERATION, &document);
    tb_bson_close((struct tb_bson_writer){update, &failed}, set);
    if (failed)
        return tb_mongo_no_memory(err);
    return tb_mongo_update(client, "positions", filter, update, ret_done, err);
}

enum tb_code tb_mongo_begin_place(const struct tb_mongo_positions *positions, int32_t partition,
                                  const struct tb_log_place *before,
                                  const struct tb_log_place *place, const char *why,
                                  struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client client = {0};
    bool done = false;

    TB_TRY(tb_mongo_client_acquire(positions->mongo, &client, err));
    TB_TRY(tb_mongo_write_place(&client, positions, partition, before, place, why, &done, err));
    return done ? TB_OK
                : tb_error_set(err, TB_CONFLICT, "another central has moved partition %d",
                               (int)partition);
}

enum tb_code tb_mongo_advance_place(const struct tb_mongo_client *client,
                                    const struct tb_mongo_positions *positions, int32_t partition,
                                    const struct tb_log_place *before,
                                    const struct tb_log_place *place, struct tb_error *err)
{
    struct tb_log_place stored;
    int64_t unused;
    bool done = false;

    if (before->next >= place->next)
        return TB_OK;
    TB_TRY(tb_mongo_write_place(client, positions, partition, before, place, NULL, &done, err));
    if (done)
        return TB_OK;
    TB_TRY(tb_mongo_read_place(client, positions, partition, &stored, &unused, err));
    if (stored.next >= place->next)
        return TB_OK; /* an earlier try of ours, or another central */
    return tb_error_set(err, TB_NOT_FOUND, "the view does not have what it had of partition %d",
                        (int)partition);
}
