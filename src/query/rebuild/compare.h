/* Comparison of two views that stand still: counts and sums per currency, and order by order
 * version and a hash of the content. Orders of which only the version is known are left out. Dead
 * letters need no comparison: an event that died in one view only leaves its order at another
 * version there.
 * Views that move are sifted instead: whatever differs at the moment is a suspect, and once they
 * stand still only the suspects are compared.
 *
 * Both are read in the order of their ids, a page at a time: memory does not follow their size.
 *
 * Thread:  the owner of both readers.
 * Memory:  borrows the readers; no memory of its own.
 * Errors:  those of the readers; the comparison is then of no further use.
 * Units:   money in minor units (_minor). */
#pragma once
#include "query/projection/view.h"
#include "query/rebuild/recheck.h"

#define TB_COMPARE_PAGE 256
/* A person reads no more; they are counted all. */
#define TB_COMPARE_LISTED 100

enum tb_compare_kind {
    TB_COMPARE_MISSING,   /* an order that is served was not rebuilt */
    TB_COMPARE_EXTRA,     /* an order was rebuilt that is not served */
    TB_COMPARE_DIFFERENT, /* an order */
    TB_COMPARE_TOTAL      /* the counts or the sum of a currency */
};
const char *tb_compare_kind_name(enum tb_compare_kind kind);

struct tb_compare_order {
    char order_id[TB_UUID_SIZE]; /* "": none */
    enum tb_order_status status;
    int64_t version, total_minor;
    char currency[4], hash[65];
};
struct tb_difference {
    enum tb_compare_kind kind;
    struct tb_compare_order served, rebuilt;
    struct tb_stats_row served_total, rebuilt_total; /* of TB_COMPARE_TOTAL */
};
struct tb_compare_side {
    struct tb_view_reader *reader;
    struct tb_compare_order page[TB_COMPARE_PAGE];
    size_t count, at;
    char start[TB_UUID_SIZE]; /* of the next page */
    bool ended;               /* there is none */
    bool failed;              /* out of memory */
    int64_t orders;
};
struct tb_compare {
    struct tb_compare_side served, rebuilt;
    const struct tb_recheck_set *only; /* sorted; NULL: all orders */
    size_t only_at;
    struct tb_recheck_set *sift_into; /* NULL: what differs is listed */
    bool totals_done, done;
    int64_t differences;
    struct tb_difference list[TB_COMPARE_LISTED];
};
void tb_compare_init(struct tb_compare *compare, struct tb_view_reader *served,
                     struct tb_view_reader *rebuilt);
/* Only these orders, borrowed and sorted; the totals all the same, which then count the orders. */
void tb_compare_only(struct tb_compare *compare, const struct tb_recheck_set *only);
/* No totals, and instead of a list suspects, borrowed. */
void tb_compare_collect(struct tb_compare *compare, struct tb_recheck_set *into);
/* Some hundreds of orders further; sets done. */
TB_CHECKED enum tb_code tb_compare_step(struct tb_compare *compare, struct tb_error *err);
