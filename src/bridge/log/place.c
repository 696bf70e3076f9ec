#include "bridge/log/place.h"

void tb_log_place_set(struct tb_log_place *place, const struct tb_record *record)
{
    struct tb_str id = tb_record_header(record, "ce_id");
    size_t len = id.len < TB_LOG_EVENT_ID_SIZE - 1 ? id.len : TB_LOG_EVENT_ID_SIZE - 1;

    *place = (struct tb_log_place){.next = record->offset + 1,
                                   .last_offset = record->offset,
                                   .last_at_ms = record->timestamp_ms};
    for (size_t i = 0; i < len; i++) /* it becomes text in a document */
        place->last_event_id[i] = id.ptr[i] > ' ' && id.ptr[i] < 127 ? id.ptr[i] : '?';
}
