#include "sim/sim.h"
#include <stdio.h>

/* Poison: records that somebody else put into a log. */

static const char *type_of(enum sim_poison_kind kind)
{
    if (kind == SIM_UNKNOWN_TYPE)
        return "OrderBlessed.v1";
    return kind == SIM_NO_TYPE ? NULL : "OrderShipped.v1";
}

static void write_value(enum sim_poison_kind kind, int number, const char *order_id,
                        struct tb_buf *value)
{
    char stranger[40];
    int64_t version = kind == SIM_OLD_VERSION ? 2 : kind == SIM_UNKNOWN_TYPE ? 1 : 900;

    snprintf(stranger, sizeof stranger, SIM_STRANGER "%012d", number);
    if (kind == SIM_BAD_JSON) {
        tb_buf_adds(value, "{\"orderId\":");
        return;
    }
    tb_buf_addf(value, "{\"orderId\":\"%s\",\"version\":%" PRId64 ",\"occurredAt\":\"%s\"}",
                order_id ? order_id : stranger, version,
                kind == SIM_BAD_SHAPE ? "yesterday" : "2026-11-23T08:20:42.123Z");
}

void poison_make(struct sim *sim, int node, enum sim_poison_kind kind, const char *order_id,
                 struct poison_record *ret_poison)
{
    static const enum sim_cover covers[SIM_POISON_KINDS] = {
        SIM_POISON_DECODE, SIM_POISON_DECODE, SIM_POISON_DECODE,   SIM_POISON_INVALID,
        SIM_POISON_GAP,    SIM_POISON_GAP,    SIM_POISON_STRANGER, SIM_POISON_OLD};
    struct poison_record *poison = ret_poison;

    *poison = (struct poison_record){.number = sim->poison_count++};
    sim->poison[poison->number] = (struct sim_poison){.node = node, .kind = kind};
    sim_cover(covers[kind], 1);
    snprintf(poison->mark, sizeof poison->mark, "00-%032x-%016x-01", poison->number + 1, 2);
    poison->headers[0] =
        (struct tb_header){TB_STR("traceparent"), {poison->mark, sizeof poison->mark - 1}};
    poison->headers[1] = (struct tb_header){TB_STR("ce_type"), tb_str_of(type_of(kind))};
    write_value(kind, poison->number, order_id, &poison->value);
    poison->record = (struct tb_record){.key = order_id ? tb_str_of(order_id) : TB_STR("poison"),
                                        .headers = poison->headers,
                                        .header_count = type_of(kind) ? 2 : 1};
    if (kind != SIM_NULL)
        poison->record.value = tb_buf_str(&poison->value);
}
