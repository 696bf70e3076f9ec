/* What a daemon tells of dead letters on standard error: that there are new ones, who dealt with
 * which, what follows by itself, and which events it does not know.
 *
 * Thread:  any.
 * Memory:  nothing kept.
 * Errors:  none.
 * Units:   none. */
#pragma once
#include "query/projection/dead_letter.h"
#include "query/projection/plan.h"

/* Those that died in the plan, if any. */
void tb_diag_dead_letters(const struct tb_plan *plan);
/* As tb_api_dead_letters.audit; ctx is not looked at. */
void tb_diag_dead_letter_audit(void *ctx, const char *what, bool sure, const char *letter_id,
                               const char *order_id, const char *who);
void tb_diag_dead_letter_redrive(const char *topic, const struct tb_dead_letter *letter);
/* As tb_consumer_options.unknown; ctx is not looked at. */
void tb_diag_unknown_type(void *ctx, const char *type, uint64_t count);
