/* Compares two views: the counts and the sum of each currency, then order by order the version and
 * a hash of the content. A stub (only its version is known) is left out. Dead letters need no
 * comparison: an event that could not be applied in one view only leaves its order at another
 * version there.
 *
 * Views that stand still are compared for good: differences are counted, and the first ones are
 * listed as the JSON text that GET /rebuild answers. In views that are being written a difference
 * may last for a moment only: there tb_compare_collect gathers the ids of orders that differ, and
 * tb_compare_only looks at these again once both views stand still.
 *
 * Both views are read in the order of their ids, a page at a time, so memory does not grow with
 * the number of orders.
 *
 * Thread:  the owner of both readers.
 * Memory:  borrows the readers.
 * Errors:  the readers' codes, TB_INTERNAL when out of memory. The comparison must then be begun
 *          anew.
 * Units:   money in minor units (_minor). */
#pragma once
#include "query/projection/view.h"
#include "query/rebuild/recheck.h"

#define TB_COMPARE_PAGE 256
/* A person reads no more; further differences are only counted. */
#define TB_COMPARE_LISTED 100
/* The list's JSON text and its NUL: no difference takes more than 512 bytes. */
#define TB_COMPARE_LIST_SIZE (TB_COMPARE_LISTED * 512)

struct tb_compare_order {
    char order_id[TB_UUID_SIZE];
    enum tb_order_status status;
    int64_t version, total_minor;
    char currency[4], hash[65];
};
struct tb_compare_side {
    struct tb_view_reader *reader;
    struct tb_compare_order page[TB_COMPARE_PAGE];
    size_t count, at;
    char start[TB_UUID_SIZE]; /* first id of the next page */
    bool ended;               /* there is no further page */
    bool failed;              /* out of memory */
    int64_t orders;           /* compared so far */
};
struct tb_compare {
    struct tb_compare_side served, rebuilt;
    const struct tb_recheck_set *only; /* NULL: all orders */
    size_t only_at;
    struct tb_recheck_set *collect_into; /* NULL: differences are listed */
    bool totals_done, done;
    int64_t difference_count;
    struct tb_buf listed; /* JSON objects, separated by commas */
};
/* NULL when out of memory. */
struct tb_compare *tb_compare_new(struct tb_view_reader *served, struct tb_view_reader *rebuilt);
void tb_compare_free(struct tb_compare *compare); /* NULL is fine */
/* Compares the totals and then only these orders. The set is borrowed and sorted. */
void tb_compare_only(struct tb_compare *compare, const struct tb_recheck_set *only);
/* Compares no totals, and adds the ids of orders that differ to the borrowed set. */
void tb_compare_collect(struct tb_compare *compare, struct tb_recheck_set *into);
/* Compares the next few hundred orders; sets done behind the last one. */
TB_CHECKED enum tb_code tb_compare_step(struct tb_compare *compare, struct tb_error *err);
