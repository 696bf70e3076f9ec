#include "query/mongo/dead_letters/dead_letters.h"
#include "query/mongo/driver/bulk.h"

struct writing {
    const struct tb_mongo_client *client;
    const struct tb_plan *plan;
    bool *written; /* for each of the plan's outcomes */
    size_t written_count;
    struct tb_mongo_op *ops;
};

/* If the document already has this outcome or a later one, the filter does not match it. Then an
 * update writes nothing, and an upsert tries to insert the same _id, which fails with a duplicate
 * key. */
static enum tb_code make_op(const struct writing *run, size_t at, struct tb_mongo_op *op,
                            struct tb_error *err)
{
    const struct tb_plan_outcome *outcome = &run->plan->outcomes[at];
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
    if (!outcome->dead_letter) {
        op->kind = TB_MONGO_UPDATE;
        tb_mongo_put_replayed(document, run->plan, outcome->offset);
    } else if (!is_first) {
        op->kind = TB_MONGO_UPSERT;
        tb_mongo_put_next_death(document, run->client, run->plan, outcome->dead_letter);
    } else {
        op->kind = TB_MONGO_INSERT;
        tb_mongo_put_first_death(document, id, run->client, run->plan, outcome->dead_letter);
    }
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

/* True: an earlier outcome of the same dead letter is not written yet. */
static bool must_wait(const struct writing *run, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (!run->written[i] &&
            run->plan->outcomes[i].first_offset == run->plan->outcomes[at].first_offset)
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

    for (size_t i = 0; code == TB_OK && i < run->plan->outcome_count; i++) {
        if (!run->written[i] && !must_wait(run, i))
            code = make_op(run, i, &run->ops[count++], err);
    }
    if (code == TB_OK)
        code =
            tb_mongo_write(run->client, collection, run->ops, count, "writing a dead letter", err);
    for (size_t i = 0; i < count; i++)
        run->written[run->ops[i].tag] = true;
    tb_mongo_ops_clear(run->ops, count);
    run->written_count += count;
    return code;
}

enum tb_code tb_mongo_write_dead_letters(const struct tb_mongo_client *client,
                                         const char *collection, const struct tb_plan *plan,
                                         struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct writing run = {.client = client, .plan = plan};

    if (plan->outcome_count == 0)
        return TB_OK;
    run.written = tb_arena_array(&arena, plan->outcome_count, sizeof *run.written);
    run.ops = tb_arena_array(&arena, plan->outcome_count, sizeof *run.ops);
    if (!run.written || !run.ops)
        return tb_mongo_no_memory(err);
    while (run.written_count < plan->outcome_count)
        TB_TRY(write_some(&run, collection, err));
    return TB_OK;
}
