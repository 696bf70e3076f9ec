/* What a daemon tells of dead letters on standard error: who dealt with which, what follows by
 * itself, and which events it does not know.
 *
 * Thread:  any.
 * Memory:  nothing kept.
 * Errors:  none.
 * Units:   none. */
#pragma once
#include "query/letters.h"

/* As tb_api_letters.audit. */
void tb_diag_letter_audit(const char *what, bool sure, const char *letter_id, const char *order_id,
                          const char *who);
void tb_diag_letter_follows(const char *topic, const struct tb_letter *letter);
/* As tb_consumer_options.unknown. */
void tb_diag_unknown_type(const char *type, uint64_t count);
