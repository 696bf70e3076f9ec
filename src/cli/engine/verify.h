/* Verify: compares the stores of some edges with the view of a central, order by order.
 *
 * All streams are sorted by order id, so one pass over them is enough, in bounded memory. An order
 * that differs may still be on its way to the central. Therefore it is fetched again from both
 * sides, until wait_left_ms is used up, and reported if it still differs then.
 *
 * Memory:  a page for each stream, and up to TB_VERIFY_RECHECK_MAX pairs to fetch again. */
#pragma once
#include "cli/engine/digest_stream.h"
#include "cli/output/progress.h"
#include "cli/output/table.h"

/* Edges in one run; more of them need several runs. */
#define TB_VERIFY_EDGES_MAX 64
#define TB_VERIFY_RECHECK_MAX 1000
/* The default of --wait. Orders on their way arrive within this time. */
#define TB_VERIFY_WAIT_MS 10000

enum tb_verify_result {
    TB_VERIFY_SAME,
    TB_VERIFY_PENDING,   /* the edge has not delivered it yet */
    TB_VERIFY_MISSING,   /* the central does not have it, or only an earlier version */
    TB_VERIFY_DIFFERENT, /* other content, a later version than the edge has, or on two edges */
    TB_VERIFY_EXTRA,     /* no edge has it, although the edge of its node is compared */
    TB_VERIFY_FOREIGN,   /* the edge of its node is not compared */
    TB_VERIFY_RESULT_COUNT
};
const char *tb_verify_result_name(enum tb_verify_result result); /* "missing" */

struct tb_verify_pair {
    char order_id[TB_UUID_SIZE];
    bool at_edge, at_central;
    bool at_two_edges;
    size_t edge; /* index of the edge that has the order, else of its node; edge_count: none */
    struct tb_digest edge_digest, central_digest;
    char reason[TB_DIGEST_REASON_SIZE]; /* why the sides may differ; "": unknown */
};
struct tb_verify {
    struct tb_digest_stream edges[TB_VERIFY_EDGES_MAX], central;
    char nodes[TB_VERIFY_EDGES_MAX][TB_NODE_MAX + 1]; /* names of the edges */
    size_t edge_count;
    bool allow_pending; /* pending orders are no differences */
    bool all_nodes;     /* foreign orders are differences */
    int64_t wait_left_ms;
    /* Called for each pair that still differs at the end. */
    void (*report)(struct tb_verify *verify, enum tb_verify_result result,
                   const struct tb_verify_pair *pair);
    struct tb_table table; /* for report */
    struct tb_progress progress;

    int64_t counts[TB_VERIFY_RESULT_COUNT];
    int64_t orders;      /* compared */
    int64_t differences; /* reported */
    struct tb_verify_pair rechecks[TB_VERIFY_RECHECK_MAX];
    size_t recheck_count;
    bool no_dead_letters; /* the central answers 404 to /dead-letters */
};
/* The streams must be open. The progress line may remain: call tb_cli_clear_line afterwards. */
int tb_verify_run(struct tb_verify *verify);
