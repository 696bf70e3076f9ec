#include "sim/sim.h"
#include <stdio.h>

/* Records that no edge has written, as another program would put them into a log. */

static const char *type_of(enum foreign_kind kind)
{
    if (kind == FOREIGN_UNKNOWN_TYPE)
        return "OrderBlessed.v1";
    return kind == FOREIGN_NO_TYPE ? NULL : "OrderShipped.v1";
}

static void write_value(enum foreign_kind kind, int number, const char *order_id,
                        struct tb_buf *value)
{
    char stranger[40];
    int64_t version = kind == FOREIGN_OTHER_EVENT ? 2 : kind == FOREIGN_UNKNOWN_TYPE ? 1 : 900;

    snprintf(stranger, sizeof stranger, UNKNOWN_ORDER_PREFIX "%012d", number);
    if (kind == FOREIGN_BAD_JSON) {
        tb_buf_adds(value, "{\"orderId\":");
        return;
    }
    tb_buf_addf(value, "{\"orderId\":\"%s\",\"version\":%" PRId64 ",\"occurredAt\":\"%s\"}",
                order_id ? order_id : stranger, version,
                kind == FOREIGN_BAD_TIME ? "yesterday" : "2026-11-23T08:20:42.123Z");
}

void foreign_record_make(struct sim *sim, int node, enum foreign_kind kind, const char *order_id,
                         struct foreign_record *ret_foreign)
{
    static const enum sim_cover covers[FOREIGN_KIND_COUNT] = {
        COVER_FOREIGN_RECORD_UNDECODABLE,  COVER_FOREIGN_RECORD_UNDECODABLE,
        COVER_FOREIGN_RECORD_UNDECODABLE,  COVER_FOREIGN_RECORD_INVALID,
        COVER_FOREIGN_RECORD_GAP,          COVER_FOREIGN_RECORD_GAP,
        COVER_FOREIGN_RECORD_UNKNOWN_TYPE, COVER_FOREIGN_RECORD_OTHER};
    struct foreign_record *foreign = ret_foreign;
    size_t count = 0;

    *foreign = (struct foreign_record){.number = sim->foreign_count++};
    sim->foreign[foreign->number] = (struct sim_foreign_record){
        .node = node,
        .kind = kind,
        .order = order_id ? oracle_find_order(&sim->oracle, order_id) : ORACLE_NONE};
    sim_cover(covers[kind], 1);
    snprintf(foreign->mark, sizeof foreign->mark, "00-%032x-%016x-01", foreign->number + 1, 2);
    foreign->headers[count++] =
        (struct tb_header){TB_STR("traceparent"), {foreign->mark, sizeof foreign->mark - 1}};
    if (type_of(kind))
        foreign->headers[count++] =
            (struct tb_header){TB_STR("ce_type"), tb_str_of(type_of(kind))};
    if (kind == FOREIGN_OTHER_EVENT)
        foreign->headers[count++] = (struct tb_header){TB_STR("ce_id"), TB_STR("another event")};
    write_value(kind, foreign->number, order_id, &foreign->value);
    foreign->record = (struct tb_record){.key = order_id ? tb_str_of(order_id) : TB_STR("poison"),
                                         .headers = foreign->headers,
                                         .header_count = count};
    if (kind != FOREIGN_NULL_VALUE)
        foreign->record.value = tb_buf_str(&foreign->value);
}
