/* How both daemons read events into a view, and how they report a rebuild of it.
 *
 * Thread:  any; check from the main one, before others start.
 * Memory:  the rules borrow from the configuration.
 * Errors:  TB_INVALID: the configuration's currency or time zone is unknown. */
#pragma once
#include "base/config/config.h"
#include "query/rebuild/rebuild.h"

/* Sets the time zone of the process too. */
TB_CHECKED enum tb_code tb_view_rules_check(const struct tb_config *config, struct tb_error *err);
struct tb_plan_rules tb_view_rules(const struct tb_config *config);
/* As tb_rebuild_options.entered: reports the state on standard error; ctx is not used. */
void tb_diag_rebuild_state(void *ctx, enum tb_rebuild_state state, const char *why);
