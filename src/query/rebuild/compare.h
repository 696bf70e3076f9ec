/* Compares two views: the counts and the sum of each currency, then order by order the version and
 * a hash of the content, and that each order is found by what it says. A stub (an order of which
 * only the version is known) is left out. Dead letters are not compared: if an event could not be
 * applied in one view only, its order has another version there.
 *
 * In views that nobody writes, differences are counted, and the first ones are listed as the JSON
 * text that GET /rebuild answers. In views that are being written, a difference may disappear a
 * moment later. There only the ids of the orders that differ are collected, and these orders are
 * compared again when nobody writes.
 *
 * Both views are read in the order of their ids, one page at a time, so memory does not grow with
 * the number of orders.
 *
 * Memory:  borrows the readers and the sets.
 * Errors:  the readers' codes, TB_INTERNAL when out of memory. Free the comparison then, and begin
 *          a new one. */
#pragma once
#include "query/projection/stats_fold.h"

/* Ids of orders that must be compared again: they differed while both views were being written,
 * or were written after they were compared. Every other order was the same in both views. A zeroed
 * set is ready to use. */
#define TB_RECHECK_SET_MAX 20000 /* with more, comparing all orders page by page is as fast */
struct tb_recheck_set {
    char (*ids)[TB_UUID_SIZE]; /* owned; room for TB_RECHECK_SET_MAX, from the first add on */
    size_t count;
    bool too_many; /* an id could not be added: all orders must be compared again */
};
void tb_recheck_set_add(struct tb_recheck_set *set, const char *order_id);
void tb_recheck_set_sort(struct tb_recheck_set *set); /* also drops double ids */
void tb_recheck_set_clear(struct tb_recheck_set *set);
void tb_recheck_set_release(struct tb_recheck_set *set);

#define TB_COMPARE_PAGE 256
/* The list has at most this many differences; all are counted. */
#define TB_COMPARE_LISTED 100
/* Size of the list as JSON text with its NUL: a difference takes at most 512 bytes. */
#define TB_COMPARE_LIST_SIZE (TB_COMPARE_LISTED * 512)

struct tb_compare_order {
    char order_id[TB_UUID_SIZE];
    enum tb_order_kind kind;
    enum tb_order_status status;
    int64_t version, total_minor;
    char currency[4], hash[65];
    const char *other_column; /* as for tb_scanned_order_fn; NULL: none */
};
struct tb_compare_side {
    struct tb_view_reader *reader;
    struct tb_compare_order page[TB_COMPARE_PAGE];
    size_t count, at;
    char start[TB_UUID_SIZE]; /* first id of the next page */
    bool ended;               /* `page` is the last one */
    bool failed;              /* out of memory */
    int64_t orders;           /* compared so far; with `only`: all, once the totals are added */
};
struct tb_compare {
    struct tb_compare_side served, rebuilt;
    const struct tb_recheck_set *only; /* see tb_compare_new */
    size_t only_at;
    struct tb_recheck_set *collect_into; /* see tb_compare_new */
    bool totals_done, done;
    int64_t difference_count; /* with collect_into: of the orders that were added to it */
    struct tb_buf listed;     /* JSON objects, separated by commas */
    int listed_count, listed_max;
    /* With `only`: by how much the served view's totals are above the rebuilt one's. All that the
     * views have in common cancels out, so the orders that differ are enough to know it. */
    struct tb_arena arena;
    struct tb_stats_fold surplus;
};
/* only: a sorted set, only its orders are compared; NULL: all orders. collect_into: the set to
 * which the ids of orders that differ are added, and then no totals are compared; NULL: totals are
 * compared and differences are listed. */
TB_CHECKED enum tb_code tb_compare_new(struct tb_view_reader *served,
                                       struct tb_view_reader *rebuilt,
                                       const struct tb_recheck_set *only,
                                       struct tb_recheck_set *collect_into,
                                       struct tb_compare **ret_compare, struct tb_error *err);
void tb_compare_free(struct tb_compare *compare); /* NULL is fine */
/* Counts a difference. True: it has begun an object in the list, which the caller must fill and
 * close. False: the list is full. */
bool tb_compare_list(struct tb_compare *compare, const char *kind);
/* Compares the next orders. After the last one it sets done. Without `only` it compares the totals
 * first. */
TB_CHECKED enum tb_code tb_compare_step(struct tb_compare *compare, struct tb_error *err);
/* With `only`, when it is done: lists the totals that differ, and counts the orders. The rebuilt
 * view must still be what it was; the served one is not read, and may be written again. */
TB_CHECKED enum tb_code tb_compare_add_totals(struct tb_compare *compare, struct tb_error *err);
