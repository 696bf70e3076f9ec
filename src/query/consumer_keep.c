#include "query/consumer_priv.h"

/* An empty text is present all the same; an absent one stays absent. */
static bool copy(struct tb_arena *arena, struct tb_str *text)
{
    bool absent = text->ptr == NULL;

    *text = tb_arena_copy(arena, *text);
    return absent || text->ptr != NULL;
}

static bool copy_record(struct tb_arena *arena, struct tb_record *record)
{
    struct tb_header *headers = NULL;
    bool ok = copy(arena, &record->key) && copy(arena, &record->value);

    if (record->header_count > 0) {
        headers = tb_arena_array(arena, record->header_count, sizeof *headers);
        ok = ok && headers;
    }
    for (size_t i = 0; ok && i < record->header_count; i++) {
        headers[i] = record->headers[i];
        ok = copy(arena, &headers[i].name) && copy(arena, &headers[i].value);
    }
    record->headers = headers;
    return ok;
}

bool tb_consumer_keep_batch(struct tb_consumer *consumer)
{
    size_t count = consumer->batch.count - consumer->done;
    struct tb_record *records;
    bool ok;

    if (consumer->is_kept || count == 0)
        return true;
    records = tb_arena_array(&consumer->kept, count, sizeof *records);
    ok = records != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        records[i] = consumer->batch.records[consumer->done + i];
        ok = copy_record(&consumer->kept, &records[i]);
    }
    if (!ok) {
        tb_arena_release(&consumer->kept);
        return false;
    }
    tb_plan_clear(&consumer->plan); /* it borrows from what goes */
    consumer->part = 0;
    consumer->batch.records = records;
    consumer->batch.count = count;
    consumer->done = 0;
    consumer->is_kept = true;
    return true;
}
