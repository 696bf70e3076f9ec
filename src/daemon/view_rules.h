/* What both daemons give whoever fills a view: how events are read, and who is told of a rebuild.
 *
 * Thread:  any.
 * Memory:  the rules borrow from the configuration.
 * Errors:  none.
 * Units:   as plan.h. */
#pragma once
#include "base/config/config.h"
#include "query/rebuild/rebuild.h"

struct tb_plan_rules tb_view_rules(const struct tb_config *config);
/* As tb_rebuild_options.entered, told on standard error; ctx is not looked at. */
void tb_diag_rebuild_state(void *ctx, enum tb_rebuild_state state, const char *why);
