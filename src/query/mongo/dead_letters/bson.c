#include "query/mongo/view_mongo_priv.h"

/* A record that fills a document by itself is kept without its value: its place in the log tells
 * where the value is. */
#define DEAD_BYTES_MAX (12u << 20)

static void put_headers(struct tb_bson_writer put, const struct tb_record *record)
{
    bson_t in_list, in_one;
    struct tb_bson_writer list = tb_bson_open_array(put, "headers", &in_list), one;
    char scratch[16];

    for (size_t i = 0; i < record->header_count; i++) {
        one = tb_bson_open(list, tb_bson_index_key(i, scratch), &in_one);
        tb_bson_put_bytes(one, "name", record->headers[i].name);
        tb_bson_put_bytes(one, "value", record->headers[i].value);
        tb_bson_close(list, one);
    }
    tb_bson_close_array(put, list);
}

static bool keeps_headers(const struct tb_record *record)
{
    return tb_record_size(record) - record->value.len <= DEAD_BYTES_MAX;
}

static bool keeps_value(const struct tb_record *record)
{
    return record->value.ptr && tb_record_size(record) <= DEAD_BYTES_MAX;
}

/* What is known of the letter's record as it was read last. Names, keys and values of a dead
 * record may be any bytes. */
static void put_record(struct tb_bson_writer put, const struct tb_plan *plan,
                       const struct tb_plan_dead_letter *letter)
{
    const struct tb_record *record = letter->record;

    if (letter->order_id[0] != '\0')
        tb_bson_put_text(put, "orderId", letter->order_id);
    tb_bson_put_int(put, "version", letter->version);
    tb_bson_put_str(put, "type", letter->type);
    tb_bson_put_text(put, "reason", letter->reason);
    tb_bson_put_str(put, "message", letter->message);
    tb_bson_put_text(put, "status", "open");
    tb_bson_put_int(put, "lastOffset", record->offset);
    tb_bson_put_time(put, "changedAt", plan->planned_at_ms);
    tb_bson_put_time(put, "timestamp", record->timestamp_ms);
    tb_bson_put_bytes(put, "key", record->key);
    if (keeps_headers(record))
        put_headers(put, record);
    if (keeps_value(record))
        tb_bson_put_bytes(put, "value", record->value);
}

static void put_place(struct tb_bson_writer put, const struct tb_mongo_client *lease,
                      const struct tb_plan *plan, const struct tb_plan_dead_letter *letter)
{
    tb_bson_put_text(put, "topic", lease->mongo->topic);
    tb_bson_put_int(put, "partition", plan->partition);
    tb_bson_put_int(put, "offset", letter->first_offset);
    tb_bson_put_time(put, "deadAt", plan->planned_at_ms);
}

void tb_mongo_put_first_death(struct tb_bson_writer document, const char *name,
                              const struct tb_mongo_client *lease, const struct tb_plan *plan,
                              const struct tb_plan_dead_letter *letter)
{
    tb_bson_put_text(document, "_id", name);
    put_place(document, lease, plan, letter);
    put_record(document, plan, letter);
    tb_bson_put_int(document, "attempts", 1);
    tb_bson_put_int(document, "follows", 0);
}

/* Fields that the record does not have this time, or that are too large to be kept. */
static void put_gone(struct tb_bson_writer put, const struct tb_plan_dead_letter *letter)
{
    const struct tb_record *record = letter->record;
    bson_t inner;
    struct tb_bson_writer gone;

    if (letter->type.ptr && record->key.ptr && keeps_value(record) && keeps_headers(record))
        return; /* a server may refuse to remove nothing */
    gone = tb_bson_open(put, "$unset", &inner);
    if (!letter->type.ptr)
        tb_bson_put_text(gone, "type", "");
    if (!record->key.ptr)
        tb_bson_put_text(gone, "key", "");
    if (!keeps_value(record))
        tb_bson_put_text(gone, "value", "");
    if (!keeps_headers(record))
        tb_bson_put_text(gone, "headers", "");
    tb_bson_close(put, gone);
}

void tb_mongo_put_next_death(struct tb_bson_writer document, const struct tb_mongo_client *lease,
                             const struct tb_plan *plan, const struct tb_plan_dead_letter *letter)
{
    bson_t inner;
    struct tb_bson_writer part = tb_bson_open(document, "$set", &inner);

    put_record(part, plan, letter);
    if (!letter->redriven)
        tb_bson_put_int(part, "follows", 0);
    tb_bson_close(document, part);
    put_gone(document, letter);
    part = tb_bson_open(document, "$inc", &inner);
    tb_bson_put_int(part, "attempts", 1);
    if (letter->redriven)
        tb_bson_put_int(part, "follows", 1);
    tb_bson_close(document, part);
    part = tb_bson_open(document, "$setOnInsert", &inner); /* it was removed meanwhile */
    put_place(part, lease, plan, letter);
    tb_bson_close(document, part);
}

void tb_mongo_put_replayed(struct tb_bson_writer document, const struct tb_plan *plan,
                           int64_t offset)
{
    bson_t inner;
    struct tb_bson_writer set = tb_bson_open(document, "$set", &inner);

    tb_bson_put_text(set, "status", "replayed");
    tb_bson_put_int(set, "lastOffset", offset);
    tb_bson_put_time(set, "changedAt", plan->planned_at_ms);
    tb_bson_close(document, set);
}

static struct tb_str own(struct tb_arena *arena, struct tb_str text, bool *failed)
{
    struct tb_str copy = tb_arena_copy(arena, text);

    *failed = *failed || (text.ptr && !copy.ptr);
    return copy;
}

/* Counts the elements of a list. */
static size_t count_list(bson_iter_t list)
{
    size_t count = 0;

    while (bson_iter_next(&list))
        count++;
    return count;
}

static bool read_headers(const bson_iter_t *iter, struct tb_arena *arena,
                         struct tb_dead_letter *letter)
{
    struct tb_header *headers;
    bson_iter_t list, one;
    bool failed = false;

    if (!BSON_ITER_HOLDS_ARRAY(iter) || !bson_iter_recurse(iter, &list))
        return false;
    headers = tb_arena_array(arena, count_list(list) + 1, sizeof *headers);
    for (size_t i = 0; headers && bson_iter_next(&list); i++) {
        if (!BSON_ITER_HOLDS_DOCUMENT(&list) || !bson_iter_recurse(&list, &one))
            return false;
        while (bson_iter_next(&one)) {
            if (strcmp(bson_iter_key(&one), "name") == 0)
                headers[i].name = own(arena, tb_bson_get_bytes(&one), &failed);
            else if (strcmp(bson_iter_key(&one), "value") == 0)
                headers[i].value = own(arena, tb_bson_get_bytes(&one), &failed);
        }
        letter->header_count = i + 1;
    }
    letter->headers = headers;
    return headers && !failed;
}

static bool read_field(const bson_iter_t *iter, struct tb_arena *arena,
                       struct tb_dead_letter *letter)
{
    const char *name = bson_iter_key(iter);
    const struct {
        const char *name;
        struct tb_str *text;
        bool bytes;
    } texts[] = {
        {"type", &letter->type, false},       {"reason", &letter->reason, false},
        {"message", &letter->message, false}, {"key", &letter->key, true},
        {"value", &letter->value, true},
    };
    const struct {
        const char *name;
        int64_t *number;
        bool time;
    } numbers[] = {
        {"offset", &letter->position.offset, false}, {"version", &letter->version, false},
        {"attempts", &letter->attempts, false},      {"follows", &letter->redrives, false},
        {"deadAt", &letter->dead_at_ms, true},       {"changedAt", &letter->changed_at_ms, true},
    };
    bool failed = false;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(name, texts[i].name) == 0)
            *texts[i].text = own(
                arena, texts[i].bytes ? tb_bson_get_bytes(iter) : tb_bson_get_str(iter), &failed);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(name, numbers[i].name) == 0)
            *numbers[i].number = numbers[i].time ? tb_bson_get_time(iter) : tb_bson_get_int(iter);
    }
    if (strcmp(name, "partition") == 0)
        letter->position.partition = (int32_t)tb_bson_get_int(iter);
    else if (strcmp(name, "orderId") == 0)
        tb_bson_get_text(iter, letter->order_id, sizeof letter->order_id);
    else if (strcmp(name, "status") == 0)
        failed = !tb_dead_letter_status_parse(tb_bson_get_str(iter), &letter->status);
    else if (strcmp(name, "headers") == 0)
        failed = !read_headers(iter, arena, letter);
    return !failed;
}

enum tb_code tb_mongo_dead_letter_decode(const bson_t *doc, struct tb_arena *arena,
                                         struct tb_dead_letter *ret_letter, struct tb_error *err)
{
    struct tb_dead_letter letter = {.position.offset = -1};
    bool ok = true;
    bson_iter_t iter;

    ok = bson_iter_init(&iter, doc);
    while (ok && bson_iter_next(&iter))
        ok = read_field(&iter, arena, &letter);
    if (!ok || letter.position.offset < 0 || !letter.reason.ptr)
        return tb_error_set(err, TB_CORRUPT, "a document of dead_letters is not what was written");
    *ret_letter = letter;
    return TB_OK;
}
