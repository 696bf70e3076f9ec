/* UUIDs as text: 36 lower-case characters and a NUL.
 *
 * New ones are of version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then a counter of 12
 * bits that rises within a millisecond, then random bits. So the ids of one generator sort in the
 * order in which they were created.
 *
 * Thread:  one thread at a time uses a generator. */
#pragma once
#include "base/mem/buf.h"
#include "base/time/clock.h"

#define TB_UUID_LEN 36
#define TB_UUID_SIZE (TB_UUID_LEN + 1)
#define TB_EPOCH_SIZE 17 /* the epoch of a store: 16 hex digits and a NUL */

struct tb_uuid_gen {
    const struct tb_clock *clock;   /* borrowed */
    const struct tb_random *random; /* borrowed */
    int64_t last_ms;
    uint32_t counter;
};

void tb_uuid_new(struct tb_uuid_gen *gen, char ret_uuid[TB_UUID_SIZE]);
/* Accepts any version in either case, with its hyphens only; the result is in lower case. */
bool tb_uuid_parse(struct tb_str text, char ret_uuid[TB_UUID_SIZE]);
/* True: it can be the epoch of a store: 16 hex digits in lower case. */
bool tb_epoch_valid(struct tb_str text);
