/* How many of a sender's records became dead letters lately. A sender that causes too many is
 * parked, so that it harms only itself; if several known nodes cause the same, it is this program
 * that cannot read events.
 *
 * A sender is the node that a record's ce_source names, or nobody in particular. A minute begins
 * with a sender's first dead letter and is over for all of its dead letters together.
 *
 * Thread:  the consumer's owner.
 * Memory:  bounded: of so many senders that fail within a minute, further ones are not limited.
 * Units:   monotonic milliseconds. */
#pragma once
#include "query/projection/view.h"

#define TB_SENDERS_MAX 1024
/* Dead letters of one node that count when nodes fail alike: with fewer than three nodes there are
 * never TB_DEAD_LETTERS_PER_MINUTE. */
#define TB_ALIKE_MAX 40
#define TB_SENDER_REASONS 4 /* decode, invalid, gap, apply */

struct tb_sender {
    char node[TB_NODE_MAX + 1];
    int64_t since_ms; /* when its minute began */
    /* Dead letters within the minute: of committed plans; of the plan that is looked at. */
    uint32_t failures[TB_SENDER_REASONS], planned[TB_SENDER_REASONS];
    int64_t parked_until_ms;
    bool asked, known; /* the view was asked whether it knows the node; it does */
};
struct tb_sender_limits {
    struct tb_sender nobody, nodes[TB_SENDERS_MAX]; /* nodes: sorted by name */
    size_t count;
};

/* Are the sender's records parked, or if it is no node, those left out that cannot be read? */
bool tb_sender_is_parked(struct tb_sender_limits *limits, struct tb_str node, int64_t now_ms);
void tb_sender_park(struct tb_sender_limits *limits, struct tb_str node, int64_t now_ms);
/* Returns the first of the plan's dead letters that is one too many; NULL: none is. *ret_alike: it
 * is one too many of several nodes that the view knows. Fails if the view cannot say. */
TB_CHECKED enum tb_code tb_senders_find_surplus(struct tb_sender_limits *limits,
                                                struct tb_view *view, const struct tb_plan *plan,
                                                int64_t now_ms,
                                                const struct tb_plan_dead_letter **ret_surplus,
                                                bool *ret_alike, struct tb_error *err);
/* The plan is committed. */
void tb_senders_note(struct tb_sender_limits *limits, const struct tb_plan *plan, int64_t now_ms);
