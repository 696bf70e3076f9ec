/* Helpers for tests of the MongoDB view: commit a history, check what is read.
 *
 * Errors:  a failed check assertion, unless a code is returned.
 * Units:   as view.h. */
#pragma once
#include "query/doubles/history.h"
#include "query/mongo/mongo_server.h"

/* A view in a database of its own, and what a test needs beside it. */
struct mongo_fixture {
    struct mongo_db db;
    struct tb_view *view;
    struct tb_view_reader *reader;
    struct tb_plan plan;
    struct tb_arena arena;
    struct fake_random fake;
    struct history history; /* empty until the test makes it */
};
void mongo_fixture_open(struct mongo_fixture *fixture, int bulk_size, uint64_t seed);
void mongo_fixture_close(struct mongo_fixture *fixture);

/* Clears the plan, and then plans the records. */
void mongo_plan(struct tb_view *view, struct tb_plan *plan, int32_t partition,
                const struct tb_record *records, size_t count, bool prefetch);
/* As mongo_plan with prefetch, but returns what failed. */
TB_CHECKED enum tb_code mongo_try_plan(struct tb_view *view, struct tb_plan *plan,
                                       int32_t partition, const struct tb_record *records,
                                       size_t count, struct tb_error *err);
void mongo_commit(struct tb_view *view, const struct tb_plan *plan);
/* Commits the whole history, `batch` records at a time. */
void mongo_feed(struct tb_view *view, const struct history *history, int32_t partition,
                size_t batch);
/* Checks that the rollups of days, and those of all nodes, are the sums of the orders: by day, by
 * node, by status and in all. */
void mongo_check_rollups(struct tb_view_reader *reader);
/* Checks that the reader returns every order as its history says, and the rollups. */
void mongo_check_history(struct tb_view_reader *reader, const struct history *history);
void mongo_check_order(struct tb_view_reader *reader, const char *order_id, int64_t version,
                       struct tb_str doc);
