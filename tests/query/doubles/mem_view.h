/* A view in memory: keeps documents as the SQLite view does, checks that each plan was made for
 * what it holds, and fails on request. Of dead letters it keeps the count only.
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
    char *doc; /* owned; NULL for a stub */
};
struct mem_view {
    struct tb_view view; /* hand out &mem->view */
    struct mem_reader {
        struct tb_view_reader reader; /* hand out &mem->reader.reader */
        struct mem_view *mem;
        struct tb_arena arena;
        struct mem_order *orders; /* decoded from the documents; NULL: not yet */
        size_t order_count;
        uint64_t calls; /* of the view, when they were decoded */
    } reader;
    bool late_plans; /* plans may be older than the view, as the contract allows */
    struct mem_row *rows;
    size_t row_count, row_max;
    int64_t next[TB_LOG_PARTITIONS];
    size_t letters;   /* of all plans that were new */
    uint64_t calls;   /* of load, commit, flush, sync and offset */
    uint64_t fail_at; /* the call that fails, from 1; 0: none */
    bool down;        /* every call fails */
    bool fail_after; /* if it is a commit that needs no flush: it does its work, says TB_UNKNOWN */
    size_t flushes;
    size_t syncs;
    int64_t synced[TB_LOG_PARTITIONS]; /* next, as of the last sync */
    size_t expire_calls;
    size_t expire_full; /* so many of them remove all they may */
    int64_t expired_before_ms;
    struct tb_json **lent; /* parsed documents that loaded orders borrow from */
    size_t lent_count;
    /* As of the last flush, while there is more: what is undone goes back to it. */
    struct mem_row *kept; /* NULL: nothing is to be flushed */
    size_t kept_count, kept_letters;
    int64_t kept_next[TB_LOG_PARTITIONS];
};
/* flushed: its commits need a flush. */
void mem_view_init(struct mem_view *mem, bool flushed);
/* As MongoDB's: keeps no offsets; what is there in that version or a later one stays. */
void mem_view_init_guarded(struct mem_view *mem);
void mem_view_undo(struct mem_view *mem); /* a process that dies: what was not flushed is gone */
void mem_view_release(struct mem_view *mem);
struct mem_row *mem_view_row(struct mem_view *mem, const char *order_id);
/* It has each order of the history as far as that can be reached, and nothing of the others. */
void mem_view_check(struct mem_view *mem, const struct history *history);
