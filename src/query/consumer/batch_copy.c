#include "query/consumer/consumer_priv.h"

bool tb_consumer_copy_batch(struct tb_consumer *consumer)
{
    size_t count = consumer->batch.count - consumer->done;
    struct tb_record *records;
    bool ok;

    if (consumer->is_copy)
        return true;
    records = tb_arena_array(&consumer->copy_arena, count, sizeof *records);
    ok = records != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = tb_record_copy(&consumer->copy_arena, &consumer->batch.records[consumer->done + i],
                            &records[i]);
    if (!ok) {
        tb_arena_release(&consumer->copy_arena);
        return false;
    }
    tb_plan_clear(&consumer->plan); /* it borrows from the records that go */
    consumer->part = 0;
    consumer->batch.records = records;
    consumer->batch.count = count;
    consumer->done = 0;
    consumer->is_copy = true;
    return true;
}
