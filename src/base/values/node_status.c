#include "base/values/node_status.h"
#include "base/time/day_ends.h"

void tb_heartbeat_encode(struct tb_buf *out, const struct tb_heartbeat *heartbeat)
{
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "node", tb_str_of(heartbeat->node));
    tb_json_member_str(out, "epoch", tb_str_of(heartbeat->epoch));
    tb_json_member_int(out, "lastSequence", heartbeat->last_sequence);
    tb_json_member_int(out, "deliveredSequence", heartbeat->delivered_sequence);
    tb_json_member_int(out, "pending", heartbeat->pending);
    if (heartbeat->oldest_pending_at_ms > 0)
        tb_json_member_time(out, "oldestPendingAt", heartbeat->oldest_pending_at_ms);
    tb_json_member_int(out, "clockMs", heartbeat->clock_ms);
    if (heartbeat->business_date[0]) {
        tb_json_member_str(out, "businessDate", tb_str_of(heartbeat->business_date));
        tb_json_member_time(out, "dayEndsAt", heartbeat->day_ends_at_ms);
    }
    tb_json_member_str(out, "version", tb_str_of(heartbeat->version));
    tb_buf_addc(out, '}');
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
}

bool tb_node_name_valid(struct tb_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (!is_word_char(name.ptr[i]))
            return false;
    }
    return name.len > 0 && name.len < TB_HEARTBEAT_NODE_SIZE;
}

/* Reads a text of fewer than `size` bytes that has only letters, digits, -, . and +. */
static bool read_word(const struct tb_json *value, const char *key, char *ret_text, size_t size)
{
    const struct tb_json *member = tb_json_get(value, key);
    struct tb_str text = member ? tb_json_string(member) : (struct tb_str){0};

    if (!text.ptr || text.len == 0 || text.len >= size)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!is_word_char(text.ptr[i]) && text.ptr[i] != '.' && text.ptr[i] != '+')
            return false;
    }
    memcpy(ret_text, text.ptr, text.len);
    ret_text[text.len] = '\0';
    return true;
}

static bool read_count(const struct tb_json *value, const char *key, int64_t *ret_count)
{
    const struct tb_json *member = tb_json_get(value, key);
    int64_t count = -1;

    if (!member || !tb_json_int(member, &count) || count < 0)
        return false;
    *ret_count = count;
    return true;
}

/* True if there is none, too: both members or neither. */
static bool read_day(const struct tb_json *value, struct tb_heartbeat *heartbeat)
{
    const struct tb_json *date = tb_json_get(value, "businessDate");
    const struct tb_json *ends_at = tb_json_get(value, "dayEndsAt");
    struct tb_str text;

    if (!date || !ends_at)
        return !date && !ends_at;
    text = tb_json_string(date);
    if (!text.ptr || !tb_date_valid(text) ||
        !tb_time_parse(tb_json_string(ends_at), &heartbeat->day_ends_at_ms) ||
        !tb_day_end_possible(text, heartbeat->day_ends_at_ms))
        return false;
    memcpy(heartbeat->business_date, text.ptr, TB_DATE_SIZE - 1);
    return true;
}

enum tb_code tb_heartbeat_decode(const struct tb_json *value, struct tb_heartbeat *ret_heartbeat,
                                 struct tb_error *err)
{
    struct tb_heartbeat heartbeat = {0};
    const struct tb_json *oldest = tb_json_get(value, "oldestPendingAt");

    if (!read_word(value, "node", heartbeat.node, sizeof heartbeat.node) ||
        !read_word(value, "epoch", heartbeat.epoch, sizeof heartbeat.epoch) ||
        !tb_node_name_valid(tb_str_of(heartbeat.node)) ||
        !tb_epoch_valid(tb_str_of(heartbeat.epoch)) ||
        !read_word(value, "version", heartbeat.version, sizeof heartbeat.version) ||
        !read_count(value, "lastSequence", &heartbeat.last_sequence) ||
        !read_count(value, "deliveredSequence", &heartbeat.delivered_sequence) ||
        !read_count(value, "pending", &heartbeat.pending) ||
        !read_count(value, "clockMs", &heartbeat.clock_ms) ||
        heartbeat.clock_ms > TB_TIME_MAX_MS ||
        (oldest && !tb_time_parse(tb_json_string(oldest), &heartbeat.oldest_pending_at_ms)) ||
        !read_day(value, &heartbeat))
        return tb_error_set(err, TB_INVALID, "not a heartbeat: a field is missing or wrong");
    *ret_heartbeat = heartbeat;
    return TB_OK;
}
