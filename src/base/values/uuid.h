/* UUIDs as text: 36 lower-case characters and a NUL.
 *
 * Version 7 (RFC 9562, 5.7): 48 bits of Unix milliseconds, then random bits, of which the
 * first 12 count up within a millisecond, so ids from one generator sort as they were made.
 *
 * Thread:  a generator has one owner; the rest is pure.
 * Memory:  results go into the caller's array.
 * Errors:  parse says false.
 * Units:   Unix milliseconds. */
#pragma once
#include "base/mem/buf.h"
#include "base/time/clock.h"

#define TB_UUID_LEN 36
#define TB_UUID_SIZE (TB_UUID_LEN + 1)
#define TB_EPOCH_SIZE 17 /* of a store: 16 hex digits and a NUL */

struct tb_uuid_gen {
    const struct tb_clock *clock;   /* borrowed */
    const struct tb_random *random; /* borrowed */
    int64_t last_ms;
    uint32_t counter;
};

void tb_uuid_new(struct tb_uuid_gen *gen, char ret_uuid[TB_UUID_SIZE]);
/* Any version, any case, hyphenated form only; written in lower case. */
bool tb_uuid_parse(struct tb_str text, char ret_uuid[TB_UUID_SIZE]);
