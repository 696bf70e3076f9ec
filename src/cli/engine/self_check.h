/* Self-check of a till: computes the sums anew from the digests of its store, and compares them
 * with what GET /orders/stats and GET /orders answer from the view.
 *
 * The till may take orders meanwhile. Therefore everything is read again until it is equal or
 * wait_left_ms is used up; the differences of the last reading are reported.
 *
 * Memory:  one page of digests or orders, and up to TB_SELF_ROWS_MAX sums. */
#pragma once
#include "cli/engine/digest_stream.h"
#include "cli/output/progress.h"

/* Sums of a store: one for each business day and currency, and a few more. */
#define TB_SELF_ROWS_MAX 200000

struct tb_self_sums {
    char group[8];             /* groupBy; "": of all orders; "list": of the pages of the list */
    char key[TB_NODE_MAX + 1]; /* the date, the status or the node; "" if group is "" */
    char currency[4];          /* "" in the list */
    int64_t orders, returns, cancelled;
    tb_sum total_minor;
    uint32_t checksum; /* of the list: of the id and the version of every order, in any order */
};
struct tb_self_difference {
    const struct tb_self_sums *store, *view; /* NULL: this side has no such row */
};
struct tb_self_check {
    const struct tb_cli *cli;
    const char *url;
    int64_t wait_left_ms;
    struct tb_progress progress;
    void (*report)(struct tb_self_check *check, const struct tb_self_difference *difference);
    void *ctx;
    int64_t differences; /* reported */
};
int tb_self_check_run(struct tb_self_check *check);
