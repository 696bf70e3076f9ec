#include "daemon/view_rules.h"
#include "base/diag/diag.h"
#include "base/time/timefmt.h"
#include "order/order.h"

enum tb_code tb_view_rules_check(const struct tb_config *config, struct tb_error *err)
{
    const char *currency = tb_config_text(config, TB_NODE_CURRENCY);

    if (!tb_currency_known(tb_str_of(currency), NULL))
        return tb_error_set(err, TB_INVALID, "node.currency = %s: not a currency of ISO 4217",
                            currency);
    return tb_zone_set(tb_config_text(config, TB_NODE_TIMEZONE), err);
}

struct tb_plan_rules tb_view_rules(const struct tb_config *config)
{
    return (struct tb_plan_rules){
        .currency = tb_config_text(config, TB_NODE_CURRENCY),
        .day_start_minutes = (int)tb_config_int(config, TB_NODE_DAY_START),
    };
}

void tb_diag_rebuild_state(void *ctx, enum tb_rebuild_state state, const char *why)
{
    (void)ctx;
    tb_diag(state == TB_REBUILD_FAILED ? TB_DIAG_WARN : TB_DIAG_INFO, "rebuild.state", "%s%s%s",
            tb_rebuild_state_name(state), why[0] ? ": " : "", why);
}
