/* Replay: a letter's record on its way into the log again, through the same guards as any other.
 *
 * It keeps key, partition, headers and the event's id; the header tillbox-mended names the letter,
 * so that what becomes of it is the letter's. Sent twice it changes nothing: the second is a
 * duplicate, or one more attempt.
 *
 * Thread:  pure.
 * Memory:  the record borrows from the letter, the value and the arena.
 * Errors:  TB_CONFLICT: there is nothing to send: the record had no value, or one too large to be
 *          kept; TB_INVALID: it has as many headers as a record may have.
 * Units:   none. */
#pragma once
#include "query/projection/dead_letter.h"

/* value: instead of the letter's; absent: its own. followed: nobody asked for it. */
TB_CHECKED enum tb_code tb_replay_record(const struct tb_dead_letter *letter, const char *topic,
                                         struct tb_str value, bool followed,
                                         struct tb_arena *arena, struct tb_record *ret_record,
                                         struct tb_error *err);
