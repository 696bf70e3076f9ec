#include "query/mongo/mongo_feed.h"
#include <stdlib.h>

void mongo_fixture_open(struct mongo_fixture *fixture, int bulk_size, uint64_t seed)
{
    struct tb_error err = {0};

    memset(fixture, 0, sizeof *fixture);
    fake_random_init(&fixture->fake, seed);
    mongo_db_open(&fixture->db, bulk_size);
    ck_ok(tb_view_mongo_open(fixture->db.mongo, &fixture->view, &err));
    ck_ok(tb_view_mongo_open_reader(fixture->db.mongo, &fixture->reader, &err));
}

void mongo_fixture_close(struct mongo_fixture *fixture)
{
    fixture->reader->ops->free(fixture->reader);
    fixture->view->ops->free(fixture->view);
    mongo_db_close(&fixture->db);
    tb_plan_release(&fixture->plan);
    tb_arena_release(&fixture->arena);
    history_release(&fixture->history);
}

static enum tb_code load(void *ctx, const char *order_id, struct tb_arena *into,
                         struct tb_planned_order *ret_order, struct tb_error *err)
{
    struct tb_view *view = ctx;

    return view->ops->load(view, order_id, into, ret_order, err);
}

static enum tb_code plan_batch(struct tb_view *view, struct tb_plan *plan,
                               const struct tb_log_batch *batch, struct tb_error *err)
{
    static const struct tb_plan_rules rules = {.currency = "EUR"};

    tb_plan_clear(plan);
    TB_TRY(tb_plan_batch(plan, batch, &rules, load, view, err));
    plan->planned_at_ms = HISTORY_START_MS;
    return TB_OK;
}

enum tb_code mongo_try_plan(struct tb_view *view, struct tb_plan *plan, int32_t partition,
                            const struct tb_record *records, size_t count, struct tb_error *err)
{
    struct tb_log_batch batch = {.partition = partition, .records = records, .count = count};
    char(*ids)[TB_UUID_SIZE] = calloc(count, sizeof *ids);
    enum tb_code code;

    ck_assert_ptr_nonnull(ids);
    code = view->ops->prefetch(view, (const char(*)[TB_UUID_SIZE])ids,
                               tb_plan_order_ids(&batch, ids), err);
    free(ids);
    return code == TB_OK ? plan_batch(view, plan, &batch, err) : code;
}

void mongo_plan(struct tb_view *view, struct tb_plan *plan, int32_t partition,
                const struct tb_record *records, size_t count, bool prefetch)
{
    struct tb_log_batch batch = {.partition = partition, .records = records, .count = count};
    struct tb_error err = {0};

    if (prefetch)
        ck_ok(mongo_try_plan(view, plan, partition, records, count, &err));
    else
        ck_ok(plan_batch(view, plan, &batch, &err));
}

void mongo_commit(struct tb_view *view, const struct tb_plan *plan)
{
    struct tb_error err = {0};

    ck_ok(view->ops->commit(view, plan, &err));
}

void mongo_feed(struct tb_view *view, const struct history *history, int32_t partition,
                size_t batch)
{
    struct tb_plan plan = {0};

    for (size_t at = 0; at < history->record_count; at += batch) {
        size_t left = history->record_count - at;

        mongo_plan(view, &plan, partition, history->records + at, left < batch ? left : batch,
                   true);
        mongo_commit(view, &plan);
    }
    tb_plan_release(&plan);
}

void mongo_check_order(struct tb_view_reader *reader, const char *order_id, int64_t version,
                       struct tb_str doc)
{
    struct tb_error err = {0};
    struct tb_buf got = {0};
    int64_t got_version = 0;
    enum tb_code code = reader->ops->get(reader, tb_str_of(order_id), &got, &got_version, &err);

    if (version == 0) {
        ck_assert_int_eq(code, TB_NOT_FOUND);
    } else {
        ck_assert_msg(code == TB_OK, "%s", err.text);
        ck_assert_int_eq(got_version, version);
        ck_assert_msg(tb_str_eq(tb_buf_str(&got), doc), "%s is not %s", got.data, doc.ptr);
    }
    tb_buf_release(&got);
}

static void check_rows(const struct tb_stats_row *a, size_t a_count, const struct tb_stats_row *b,
                       size_t b_count)
{
    ck_assert_uint_eq(a_count, b_count);
    for (size_t i = 0; i < a_count; i++) {
        ck_assert_str_eq(a[i].key, b[i].key);
        ck_assert_str_eq(a[i].currency, b[i].currency);
        ck_assert_int_eq(a[i].orders, b[i].orders);
        ck_assert_int_eq(a[i].returns, b[i].returns);
        ck_assert_int_eq(a[i].cancelled, b[i].cancelled);
        ck_assert(a[i].total_minor == b[i].total_minor);
    }
}

void mongo_check_rollups(struct tb_view_reader *reader)
{
    struct tb_arena arena = {0};
    struct tb_error err = {0};

    for (enum tb_group_by by = TB_GROUP_NONE; by <= TB_GROUP_STATUS; by++) {
        struct tb_stats_filter filter = {.group_by = by};
        struct tb_stats rollup = {0}, orders = {0};

        ck_ok(reader->ops->stats(reader, &filter, &arena, &rollup, &err));
        filter.has_from = true; /* with a time, orders are added up */
        filter.from_ms = TB_TIME_MIN_MS;
        ck_ok(reader->ops->stats(reader, &filter, &arena, &orders, &err));
        check_rows(rollup.totals, rollup.total_count, orders.totals, orders.total_count);
        check_rows(rollup.groups, rollup.group_count, orders.groups, orders.group_count);
    }
    tb_arena_release(&arena);
}

void mongo_check_history(struct tb_view_reader *reader, const struct history *history)
{
    for (size_t i = 0; i < history->order_count; i++) {
        int64_t version = history_reachable(&history->orders[i]);

        mongo_check_order(reader, history->orders[i].order.order_id, version,
                          history->orders[i].docs[version]);
    }
    mongo_check_rollups(reader);
}
