/* Diagnostics: one line per fact on standard error; text on a terminal, JSON otherwise.
 *
 * "Log" in this project is the event log; this is not it. No payloads, keys or tokens here.
 *
 * Thread:  any; each line is one write(2).
 * Memory:  nothing kept.
 * Errors:  a line that cannot be written is counted, never waited for (see tb_diag_lost).
 * Units:   none. */
#pragma once
#include "base/error.h"
#include <stdint.h>

enum tb_diag_level { TB_DIAG_DEBUG, TB_DIAG_INFO, TB_DIAG_WARN, TB_DIAG_ERROR };

/* Called once at start; program is "tillbox-edge". */
void tb_diag_init(const char *program, enum tb_diag_level lowest);
/* event is a fixed name such as "relay.offline"; the text is one sentence for a person. */
void tb_diag(enum tb_diag_level level, const char *event, const char *format, ...) TB_PRINTF(3, 4);
uint64_t tb_diag_lost(void);
