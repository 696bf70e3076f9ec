/* Diagnostics: writes one line per event to standard error, as text on a terminal, else as JSON.
 *
 * They are not called a log, because "log" is the event log in this project. Never write payloads,
 * keys or tokens into them.
 *
 * Thread:  any; each line is one write(2).
 * Errors:  a line that would block, or cannot be written, is dropped. */
#pragma once
#include "base/error.h"

enum tb_diag_level { TB_DIAG_DEBUG, TB_DIAG_INFO, TB_DIAG_WARN, TB_DIAG_ERROR };

/* Called once at start; program is "tillbox-edge". */
void tb_diag_init(const char *program, enum tb_diag_level lowest);
/* event is a fixed name such as "relay.offline"; the text is one sentence for a person. */
void tb_diag(enum tb_diag_level level, const char *event, const char *format, ...) TB_PRINTF(3, 4);
