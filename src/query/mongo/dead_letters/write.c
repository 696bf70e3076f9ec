#include "query/mongo/view_mongo_priv.h"

/* What became of one record: it died, or a letter's record is needed no more. */
struct fate {
    int64_t letter, offset;
    const struct tb_plan_dead_letter *death; /* NULL: mended */
    bool noted;
};
struct fates {
    const struct tb_mongo_client *lease;
    const char *collection;
    const struct tb_plan *plan;
    struct fate *list; /* offsets rising */
    size_t count;
    struct tb_arena arena;
};

static bool collect(struct fates *fates)
{
    const struct tb_plan *plan = fates->plan;
    struct tb_plan_outcome next = {0};

    fates->list = tb_arena_array(&fates->arena, plan->dead_letter_count + plan->replayed_count,
                                 sizeof *fates->list);
    while (fates->list && tb_plan_next_outcome(plan, &next)) {
        struct fate *fate = &fates->list[fates->count++];

        *fate =
            next.dead_letter
                ? (struct fate){next.dead_letter->first_offset, next.dead_letter->record->offset,
                                next.dead_letter, false}
                : (struct fate){next.replayed->first_offset, next.replayed->offset, NULL, false};
    }
    return fates->list != NULL;
}

static enum tb_code make_op(struct fates *fates, const struct fate *fate, struct tb_mongo_op *op,
                            struct tb_error *err)
{
    const struct tb_dead_letter_position place = {fates->plan->partition, fate->letter};
    char name[TB_DEAD_LETTER_ID_SIZE];
    bool failed = false;
    struct tb_bson_writer document = {op->document = bson_new(), &failed};

    tb_dead_letter_id_format(fates->lease->mongo->topic, place, name);
    if (fate->letter != fate->offset) {
        struct tb_bson_writer filter = {op->filter = bson_new(), &failed};

        tb_bson_put_text(filter, "_id", name);
        tb_bson_put_operator(filter, "lastOffset", "$lt", fate->offset);
    }
    if (!fate->death) {
        op->kind = TB_MONGO_AMEND;
        tb_mongo_put_replayed(document, fates->plan, fate->offset);
    } else if (fate->letter != fate->offset) {
        op->kind = TB_MONGO_UPDATE;
        tb_mongo_put_next_death(document, fates->lease, fates->plan, fate->death);
    } else {
        op->kind = TB_MONGO_INSERT;
        tb_mongo_put_first_death(document, name, fates->lease, fates->plan, fate->death);
    }
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

/* Has an earlier fate of the same letter still to be noted? */
static bool must_wait(const struct fates *fates, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (!fates->list[i].noted && fates->list[i].letter == fates->list[at].letter)
            return true;
    }
    return false;
}

/* Writes are unordered: of one letter there is one at a time. */
static enum tb_code write_some(struct fates *fates, struct tb_mongo_op *ops, size_t *ret_count,
                               struct tb_error *err)
{
    size_t count = 0;

    for (size_t i = 0; i < fates->count; i++) {
        if (fates->list[i].noted || must_wait(fates, i))
            continue;
        ops[count].tag = i;
        TB_TRY(make_op(fates, &fates->list[i], &ops[count++], err));
    }
    TB_TRY(tb_mongo_bulk(fates->lease, fates->collection, ops, count, err));
    for (size_t i = 0; i < count; i++) {
        if (ops[i].code != 0 && ops[i].code != TB_MONGO_DUPLICATE_KEY)
            return tb_mongo_op_error(err, &ops[i], "writing a dead letter");
        fates->list[ops[i].tag].noted = true;
    }
    *ret_count += count;
    return TB_OK;
}

static enum tb_code write_all(struct fates *fates, struct tb_error *err)
{
    struct tb_mongo_op *ops;
    enum tb_code code = TB_OK;
    size_t done = 0;

    if (!collect(fates))
        return tb_mongo_no_memory(err);
    ops = tb_arena_array(&fates->arena, fates->count, sizeof *ops);
    if (!ops)
        return tb_mongo_no_memory(err);
    while (code == TB_OK && done < fates->count) {
        code = write_some(fates, ops, &done, err);
        tb_mongo_ops_clear(ops, fates->count);
        memset(ops, 0, fates->count * sizeof *ops);
    }
    return code;
}

enum tb_code tb_mongo_write_dead_letters(const struct tb_mongo_client *lease,
                                         const char *collection, const struct tb_plan *plan,
                                         struct tb_error *err)
{
    struct fates fates = {.lease = lease, .collection = collection, .plan = plan};
    enum tb_code code;

    if (plan->dead_letter_count == 0 && plan->replayed_count == 0)
        return TB_OK;
    code = write_all(&fates, err);
    tb_arena_release(&fates.arena);
    return code;
}

static enum tb_code oldest_ids(const struct tb_mongo_client *lease, int64_t before_ms,
                               int64_t limit, struct tb_arena *arena, bson_t **ret_filter,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("deadAt", "{", "$lt", BCON_DATE_TIME(before_ms), "}");
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "_id", BCON_INT32(1), "}", "sort", "{", "deadAt",
                            BCON_INT32(1), "}", "limit", BCON_INT64(limit));
    struct tb_str *ids = tb_arena_array(arena, (size_t)limit, sizeof *ids);
    const bson_t *doc;
    bson_iter_t iter;
    size_t count = 0;

    if (!ids)
        return tb_mongo_no_memory(err);
    tb_mongo_find_begin(&find, lease, "dead_letters", filter, opts);
    while ((int64_t)count < limit && (doc = tb_mongo_find_next(&find))) {
        if (bson_iter_init_find(&iter, doc, "_id"))
            ids[count++] = tb_arena_copy(arena, tb_bson_get_str(&iter));
    }
    TB_TRY(tb_mongo_find_end(&find, "looking for old dead letters", err));
    if (count == 0)
        return TB_OK;
    *ret_filter = tb_mongo_ids_filter(ids, count);
    return *ret_filter ? TB_OK : tb_mongo_no_memory(err);
}

enum tb_code tb_mongo_expire_dead_letters(const struct tb_mongo_client *lease, int64_t before_ms,
                                          int64_t limit, int64_t *ret_removed,
                                          struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    struct tb_arena arena = {0};
    int64_t removed = 0;
    enum tb_code code;

    code = oldest_ids(lease, before_ms, limit, &arena, &filter, err);
    if (code == TB_OK && filter)
        code = tb_mongo_remove(lease, "dead_letters", filter, &removed, err);
    tb_arena_release(&arena);
    if (code == TB_OK)
        *ret_removed = removed;
    return code;
}

static enum tb_code update_status(const struct tb_mongo_client *lease, const char *name,
                                  int64_t at_ms, bool *ret_found, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = BCON_NEW("_id", BCON_UTF8(name), "status", BCON_UTF8("open"));
    TB_CLEANUP(tb_bson_free)
    bson_t *update = BCON_NEW("$set", "{", "status", BCON_UTF8("dropped"), "changedAt",
                              BCON_DATE_TIME(at_ms), "}");

    return tb_mongo_update(lease, "dead_letters", filter, update, ret_found, err);
}

enum tb_code tb_mongo_drop_dead_letter(struct tb_mongo *mongo,
                                       struct tb_dead_letter_position place, int64_t at_ms,
                                       struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    char name[TB_DEAD_LETTER_ID_SIZE];
    struct tb_dead_letter letter;
    bool found = false;

    tb_dead_letter_id_format(mongo->topic, place, name);
    TB_TRY(tb_mongo_client_acquire(mongo, &lease, err));
    TB_TRY(update_status(&lease, name, at_ms, &found, err));
    if (found)
        return TB_OK;
    TB_TRY(tb_mongo_read_dead_letter(&lease, place, &arena, &letter, err));
    if (letter.status == TB_DEAD_LETTER_REPLAYED)
        return tb_error_set(err, TB_CONFLICT,
                            "the dead letter was replayed: it is needed no more");
    return TB_OK;
}
