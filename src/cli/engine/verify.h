/* Verify: what the stores of some edges hold against what a central serves, order by order.
 *
 * All sides tell their orders by id, so that they are merged as they come, in bounded memory. A
 * pair that differs may only be on its way: it is looked at again, for some seconds in all, and
 * told when it still differs then.
 *
 * Thread:  one.
 * Memory:  a page a side, and TB_VERIFY_RECHECK_MAX pairs to be looked at again.
 * Errors:  an exit status; what ended it has been explained on standard error.
 * Units:   milliseconds. */
#pragma once
#include "cli/engine/digest_stream.h"
#include "cli/output/progress.h"

/* More edges are verified in several runs, each with --ignore-foreign. */
#define TB_VERIFY_EDGES_MAX 64
#define TB_VERIFY_RECHECK_MAX 1000
/* What is under way arrives within this. */
#define TB_VERIFY_WAIT_MS 10000

enum tb_verify_result {
    TB_VERIFY_SAME,
    TB_VERIFY_PENDING,   /* the edge has not delivered it yet */
    TB_VERIFY_MISSING,   /* the central has it not, or only in an earlier version */
    TB_VERIFY_DIFFERENT, /* the same version, another content; or a version that the edge has not
                          */
    TB_VERIFY_EXTRA,     /* no edge has it, although its node was asked */
    TB_VERIFY_FOREIGN,   /* of a node that was not asked */
    TB_VERIFY_RESULT_COUNT
};
const char *tb_verify_result_name(enum tb_verify_result difference); /* "missing" */

struct tb_verify_pair {
    char order_id[TB_UUID_SIZE];
    bool stored, viewed; /* is it there? */
    bool twice;          /* two edges have it */
    size_t edge;         /* whose store has it, or whose node it is; edge_count: nobody's */
    struct tb_digest store, view;
    char reason[TB_DIGEST_REASON_SIZE]; /* why it may be so; "" unknown */
};
struct tb_verify {
    struct tb_digest_stream edges[TB_VERIFY_EDGES_MAX], central;
    char nodes[TB_VERIFY_EDGES_MAX][TB_NODE_MAX + 1];
    size_t edge_count;
    bool allow_pending, ignore_foreign;
    int64_t wait_left_ms; /* for what is under way, in all; what is left of it */
    /* A pair that is not the same in the end, as it is told. */
    void (*tell)(void *ctx, enum tb_verify_result difference, const struct tb_verify_pair *pair);
    void *ctx;
    struct tb_progress progress;

    int64_t counts[TB_VERIFY_RESULT_COUNT];
    int64_t orders;                  /* looked at */
    struct tb_verify_pair *rechecks; /* TB_VERIFY_RECHECK_MAX of them */
    size_t recheck_count;
    bool no_dead_letters; /* the central does not tell its dead letters */
};
/* The edges' and the central's streams are open. */
int tb_verify_run(struct tb_verify *verify);
/* Is there anything that should not be? */
bool tb_verify_differs(const struct tb_verify *verify);
