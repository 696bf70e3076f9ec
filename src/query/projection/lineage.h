/* The lineage of an order: which events have made it, and which epochs of its node it has left
 * behind. By it a view tells an event that comes again from another event of the same version.
 *
 * Events are remembered by their version and a digest of their id, the last ones only. A snapshot
 * that begins another history overrules them: they stay known, so that they are duplicates if they
 * come again, but the version may come with another id now.
 *
 * Memory:  a plain value; zeroed: nothing is known.
 * Units:   versions count from 1. */
#pragma once
#include "order/event.h"

/* Few orders have more versions. What is older is judged by its version alone. */
#define TB_LINEAGE_EVENTS_MAX 16

struct tb_lineage {
    int64_t events[TB_LINEAGE_EVENTS_MAX]; /* the oldest first; lineage.c packs them */
    size_t event_count;
    /* Epochs of the node that ended, the oldest first, with blanks between them. */
    char earlier_epochs[TB_EARLIER_EPOCHS_MAX * TB_EPOCH_SIZE];
    /* How often a snapshot has replaced what the order was. A view's order never goes back by
     * (replaced, version). */
    int64_t replaced;
};

/* A digest of the event's id; 0: it has none. */
uint32_t tb_event_digest(struct tb_str event_id);

enum tb_lineage_match {
    TB_LINEAGE_UNKNOWN, /* no event of that version is known, or its id is not */
    TB_LINEAGE_SAME,    /* this event has been here, overruled or not */
    TB_LINEAGE_OTHER    /* another event made that version */
};
enum tb_lineage_match tb_lineage_find(const struct tb_lineage *lineage, int64_t version,
                                      uint32_t digest);
/* The order consists of this event, too. digest 0: of an event whose id is not known. */
void tb_lineage_add(struct tb_lineage *lineage, int64_t version, uint32_t digest);
/* The order is replaced by a snapshot whose last event is the given one. */
void tb_lineage_replace(struct tb_lineage *lineage, int64_t version, uint32_t digest);

/* epoch: 16 hex digits, or "" if it is not known; an unknown one is never an earlier one. */
bool tb_lineage_has_epoch(const struct tb_lineage *lineage, const char *epoch);
void tb_lineage_add_epoch(struct tb_lineage *lineage, const char *epoch);
void tb_lineage_remove_epoch(struct tb_lineage *lineage, const char *epoch);
