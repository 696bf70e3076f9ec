#include "query/mongo/dead_letters/dead_letters.h"
#include "query/mongo/driver/bulk.h"

/* The outcome of one record: it became a dead letter, or it was replayed and was applied or turned
 * out to be a duplicate. */
struct outcome {
    int64_t first_offset;                   /* of the dead letter's first record: part of its id */
    int64_t offset;                         /* of the record with this outcome */
    const struct tb_plan_dead_letter *dead; /* NULL: the replay succeeded */
    bool written;
};
struct writing {
    const struct tb_mongo_client *client;
    const struct tb_plan *plan;
    struct outcome *list; /* sorted by `offset` */
    size_t count, written_count;
    struct tb_mongo_op *ops;
    struct tb_arena arena;
};

static enum tb_code collect(struct writing *run, struct tb_error *err)
{
    size_t max = run->plan->dead_letter_count + run->plan->replayed_count;
    struct tb_plan_outcome next = {0};

    run->list = tb_arena_array(&run->arena, max, sizeof *run->list);
    run->ops = tb_arena_array(&run->arena, max, sizeof *run->ops);
    if (!run->list || !run->ops)
        return tb_mongo_no_memory(err);
    while (tb_plan_next_outcome(run->plan, &next)) {
        const struct tb_plan_dead_letter *dead = next.dead_letter;

        run->list[run->count++] =
            dead ? (struct outcome){dead->first_offset, dead->record->offset, dead, false}
                 : (struct outcome){next.replayed->first_offset, next.replayed->offset, NULL,
                                    false};
    }
    return TB_OK;
}

/* The filter skips the write if the document has the same or a later outcome already. An upsert
 * then fails with a duplicate key. */
static enum tb_code make_op(const struct writing *run, size_t at, struct tb_mongo_op *op,
                            struct tb_error *err)
{
    const struct outcome *outcome = &run->list[at];
    bool is_first = outcome->first_offset == outcome->offset, failed = false;
    struct tb_bson_writer document = {bson_new(), &failed};
    char id[TB_DEAD_LETTER_ID_SIZE];

    *op = (struct tb_mongo_op){.document = document.doc, .tag = at};
    tb_dead_letter_id_format(
        run->client->mongo->topic,
        (struct tb_dead_letter_position){run->plan->partition, outcome->first_offset}, id);
    if (!is_first)
        op->filter = BCON_NEW("_id", BCON_UTF8(id), "lastOffset", "{", "$lt",
                              BCON_INT64(outcome->offset), "}");
    if (!outcome->dead) {
        op->kind = TB_MONGO_UPDATE;
        tb_mongo_put_replayed(document, run->plan, outcome->offset);
    } else if (!is_first) {
        op->kind = TB_MONGO_UPSERT;
        tb_mongo_put_next_death(document, run->client, run->plan, outcome->dead);
    } else {
        op->kind = TB_MONGO_INSERT;
        tb_mongo_put_first_death(document, id, run->client, run->plan, outcome->dead);
    }
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

/* True: an earlier outcome of the same dead letter is not written yet. */
static bool must_wait(const struct writing *run, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (!run->list[i].written && run->list[i].first_offset == run->list[at].first_offset)
            return true;
    }
    return false;
}

/* Within one bulk the server may write in any order. So a bulk has at most one outcome of each
 * dead letter. A duplicate key means that this outcome or a later one is in the database already:
 * from another program, or from an earlier attempt of this one. */
static enum tb_code write_some(struct writing *run, const char *collection, struct tb_error *err)
{
    size_t count = 0;
    enum tb_code code = TB_OK;

    for (size_t i = 0; code == TB_OK && i < run->count; i++) {
        if (!run->list[i].written && !must_wait(run, i))
            code = make_op(run, i, &run->ops[count++], err);
    }
    if (code == TB_OK)
        code =
            tb_mongo_write(run->client, collection, run->ops, count, "writing a dead letter", err);
    for (size_t i = 0; i < count; i++)
        run->list[run->ops[i].tag].written = true;
    tb_mongo_ops_clear(run->ops, count);
    run->written_count += count;
    return code;
}

enum tb_code tb_mongo_write_dead_letters(const struct tb_mongo_client *client,
                                         const char *collection, const struct tb_plan *plan,
                                         struct tb_error *err)
{
    struct writing run = {.client = client, .plan = plan};
    enum tb_code code;

    if (plan->dead_letter_count == 0 && plan->replayed_count == 0)
        return TB_OK;
    code = collect(&run, err);
    while (code == TB_OK && run.written_count < run.count)
        code = write_some(&run, collection, err);
    tb_arena_release(&run.arena);
    return code;
}
