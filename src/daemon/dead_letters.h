/* Dead letters in a daemon: redriving them, and what is reported of them on standard error.
 *
 * Thread:  any. */
#pragma once
#include "bridge/log/append_queue.h"
#include "query/projection/dead_letter.h"
#include "query/projection/plan.h"

/* As tb_consumer_options.resend: queues the record for the log and reports it. */
bool tb_daemon_redrive(struct tb_append_queue *queue, const char *topic,
                       const struct tb_dead_letter *dead_letter, const struct tb_record *record);
/* Reports that the plan made dead letters, if it did. */
void tb_diag_dead_letters(const struct tb_plan *plan);
/* As tb_api_dead_letters.audit; ctx is not used. */
void tb_diag_dead_letter_audit(void *ctx, const char *what, bool sure, const char *letter_id,
                               const char *order_id, const char *who);
/* As tb_consumer_options.unknown; ctx is not used. */
void tb_diag_unknown_type(void *ctx, const char *type, uint64_t count);
