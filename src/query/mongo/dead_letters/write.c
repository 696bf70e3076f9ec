#include "query/mongo/dead_letters/dead_letters.h"
#include "query/mongo/driver/bulk.h"
#include <stdlib.h>

/* Within one bulk the server may write in any order. So a bulk, a round, has at most one outcome
 * of each dead letter. */
struct turn {
    const struct tb_plan_outcome *outcome;
    size_t round; /* how many earlier outcomes of its dead letter the plan has */
};
struct writing {
    const struct tb_mongo_client *client;
    const struct tb_plan *plan;
    struct turn *turns; /* of the plan's outcomes, sorted by round */
    struct tb_mongo_op *ops;
};

/* If the document already has this outcome or a later one, the filter does not match it. Then an
 * update writes nothing, and an upsert tries to insert the same _id, which fails with a duplicate
 * key. */
static enum tb_code make_op(const struct writing *run, const struct tb_plan_outcome *outcome,
                            struct tb_mongo_op *op, struct tb_error *err)
{
    bool is_first = outcome->first_offset == outcome->offset, failed = false;
    struct tb_bson_writer document = {bson_new(), &failed};
    char id[TB_DEAD_LETTER_ID_SIZE];

    *op = (struct tb_mongo_op){.document = document.doc};
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

static int by_letter(const void *a, const void *b)
{
    const struct tb_plan_outcome *x = ((const struct turn *)a)->outcome;
    const struct tb_plan_outcome *y = ((const struct turn *)b)->outcome;

    if (x->first_offset != y->first_offset)
        return x->first_offset < y->first_offset ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int by_round(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;

    if (x->round != y->round)
        return x->round < y->round ? -1 : 1;
    return x->outcome->offset < y->outcome->offset ? -1 : x->outcome->offset > y->outcome->offset;
}

static void take_turns(struct writing *run)
{
    size_t count = run->plan->outcome_count;

    for (size_t i = 0; i < count; i++)
        run->turns[i].outcome = &run->plan->outcomes[i];
    qsort(run->turns, count, sizeof *run->turns, by_letter);
    for (size_t i = 1; i < count; i++) {
        const struct turn *before = &run->turns[i - 1];

        if (before->outcome->first_offset == run->turns[i].outcome->first_offset)
            run->turns[i].round = before->round + 1;
    }
    qsort(run->turns, count, sizeof *run->turns, by_round);
}

/* Writes the next round. A duplicate key means that this outcome or a later one is in the database
 * already: from another program, or from an earlier attempt of this one. */
static enum tb_code write_round(struct writing *run, size_t *next, const char *collection,
                                struct tb_error *err)
{
    size_t round = run->turns[*next].round, count = 0;
    enum tb_code code = TB_OK;

    for (; code == TB_OK && *next < run->plan->outcome_count && run->turns[*next].round == round;
         ++*next)
        code = make_op(run, run->turns[*next].outcome, &run->ops[count++], err);
    if (code == TB_OK)
        code =
            tb_mongo_write(run->client, collection, run->ops, count, "writing a dead letter", err);
    tb_mongo_ops_clear(run->ops, count);
    return code;
}

enum tb_code tb_mongo_write_dead_letters(const struct tb_mongo_client *client,
                                         const char *collection, const struct tb_plan *plan,
                                         struct tb_error *err)
{
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct writing run = {.client = client, .plan = plan};
    size_t next = 0;

    if (plan->outcome_count == 0)
        return TB_OK;
    run.turns = tb_arena_array(&arena, plan->outcome_count, sizeof *run.turns);
    run.ops = tb_arena_array(&arena, plan->outcome_count, sizeof *run.ops);
    if (!run.turns || !run.ops)
        return tb_mongo_no_memory(err);
    take_turns(&run);
    while (next < plan->outcome_count)
        TB_TRY(write_round(&run, &next, collection, err));
    return TB_OK;
}
