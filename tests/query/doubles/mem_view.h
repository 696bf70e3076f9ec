/* A view in memory. It stores documents as the SQLite view does, asserts that each plan continues
 * the stored versions, and fails on request. It counts dead letters but does not store them.
 *
 * Thread:  one.
 * Memory:  mem_view_release frees.
 * Errors:  TB_UNAVAILABLE and TB_UNKNOWN, injected.
 * Units:   as view.h. */
#pragma once
#include "query/doubles/history.h"
#include "query/projection/view.h"

struct mem_row {
    char order_id[TB_UUID_SIZE];
    int64_t version;
    char epoch[17];
    int64_t sequence, received_at_ms;
    struct tb_lineage lineage;
    char *doc; /* owned; NULL for a stub */
};
struct mem_view {
    struct tb_view view; /* give the consumer &mem->view */
    struct mem_reader {
        struct tb_view_reader reader; /* give queries &mem->reader.reader */
        struct mem_view *mem;
        struct tb_arena arena;
        struct mem_order *orders; /* decoded from the documents; NULL: not yet */
        size_t order_count;
        uint64_t calls; /* of the view, when they were decoded */
    } reader;
    bool late_plans; /* plans may be older than the view, as the contract allows */
    struct mem_row *rows;
    size_t row_count, row_max;
    int64_t next[TEST_PARTITIONS];
    size_t dead_letter_count; /* of all plans that were new */
    uint64_t calls;           /* of load, commit, sync and offset */
    uint64_t fail_at;         /* the call that fails, from 1; 0: none */
    bool down;                /* every call fails */
    bool fail_after;          /* a failing commit does its work first: TB_UNKNOWN */
    size_t syncs;
    int64_t synced[TEST_PARTITIONS]; /* next, as of the last sync */
    bool knows_nodes;                /* every node has sent a heartbeat */
    size_t expire_calls;
    size_t expire_full; /* so many of them remove as many as the limit allows */
    int64_t expired_before_ms;
    struct tb_json **lent; /* parsed documents that loaded orders point into */
    size_t lent_count;
};
void mem_view_init(struct mem_view *mem);
/* As the MongoDB view: stores no offsets; a commit never lowers an order's version. */
void mem_view_init_guarded(struct mem_view *mem);
void mem_view_release(struct mem_view *mem);
struct mem_row *mem_view_row(struct mem_view *mem, const char *order_id);
/* Asserts that the view has each order in the version that history_reachable gives, and no others.
 */
void mem_view_check(struct mem_view *mem, const struct history *history);
