/* Replay: makes a record that sends a dead letter into the log again.
 *
 * The record keeps its key, partition, headers and event id. The header tillbox-mended names the
 * dead letter, so that the consumer updates its status. Sending it twice does no harm: the
 * second copy is a duplicate, or one more attempt.
 *
 * Memory:  the record points into the letter, the value and the arena.
 * Errors:  TB_CONFLICT: there is no value to send; TB_INVALID: the record already has as many
 *          headers as it may have. */
#pragma once
#include "query/projection/dead_letter.h"

/* value: replaces the letter's own; absent: its own. redriven: the consumer replays by itself. */
TB_CHECKED enum tb_code tb_replay_record(const struct tb_dead_letter *letter, const char *topic,
                                         struct tb_str value, bool redriven,
                                         struct tb_arena *arena, struct tb_record *ret_record,
                                         struct tb_error *err);
