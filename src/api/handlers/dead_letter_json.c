#include "api/handlers/dead_letters.h"
#include <nettle/base64.h>

/* True: JSON can hold the bytes as a string. NUL counts as no text, because strict JSON readers
 * refuse it. */
static bool is_text(struct tb_str bytes)
{
    return bytes.len == 0 || (!memchr(bytes.ptr, '\0', bytes.len) && tb_utf8_valid(bytes));
}

static void add_base64(struct tb_buf *out, struct tb_str bytes)
{
    size_t len = BASE64_ENCODE_RAW_LENGTH(bytes.len);

    tb_buf_addc(out, '"');
    if (tb_buf_reserve(out, len)) {
        base64_encode_raw(out->data + out->len, bytes.len, (const uint8_t *)bytes.ptr);
        out->len += len;
    }
    tb_buf_addc(out, '"');
}

/* Adds the member `name` if the bytes are text, else base64_name; nothing if they are absent. */
static void add_bytes(struct tb_buf *out, const char *name, const char *base64_name,
                      struct tb_str bytes)
{
    if (!bytes.ptr)
        return;
    bool text = is_text(bytes);
    tb_json_member_key(out, text ? name : base64_name);
    if (text)
        tb_json_add_string(out, bytes);
    else
        add_base64(out, bytes);
}

/* Adds the value of a header: a string, null, or {"base64":"..."}. */
static void add_value(struct tb_buf *out, struct tb_str value)
{
    if (!value.ptr || is_text(value)) {
        tb_json_add_string(out, value);
        return;
    }
    tb_buf_adds(out, "{\"base64\":");
    add_base64(out, value);
    tb_buf_addc(out, '}');
}

/* Counts the headers with that name, from index `from` up to but not including `end`. */
static size_t count_name(const struct tb_dead_letter *dead_letter, struct tb_str name, size_t from,
                         size_t end)
{
    size_t count = 0;

    for (size_t i = from; i < end; i++)
        count += tb_str_eq(dead_letter->headers[i].name, name);
    return count;
}

/* Adds the value of the header at index `first`. If later headers have the same name, adds an
 * array of all their values. */
static void add_values(struct tb_buf *out, const struct tb_dead_letter *dead_letter, size_t first)
{
    size_t end = dead_letter->header_count;
    struct tb_str name = dead_letter->headers[first].name;

    if (count_name(dead_letter, name, first, end) == 1) {
        add_value(out, dead_letter->headers[first].value);
        return;
    }
    tb_buf_addc(out, '[');
    for (size_t i = first; i < end; i++) {
        if (!tb_str_eq(dead_letter->headers[i].name, name))
            continue;
        tb_json_separate(out);
        add_value(out, dead_letter->headers[i].value);
    }
    tb_buf_addc(out, ']');
}

/* Adds all headers, except those whose names are not text: JSON cannot hold such names. */
static void add_headers(struct tb_buf *out, const struct tb_dead_letter *dead_letter)
{
    tb_json_open(out, "headers", '{');
    for (size_t i = 0; i < dead_letter->header_count; i++) {
        struct tb_str name = dead_letter->headers[i].name;

        if (count_name(dead_letter, name, 0, i) > 0 || !is_text(name))
            continue;
        tb_json_separate(out);
        tb_json_add_string(out, name.ptr ? name : TB_STR(""));
        tb_buf_addc(out, ':');
        add_values(out, dead_letter, i);
    }
    tb_buf_addc(out, '}');
}

static void add_message(struct tb_buf *out, const struct tb_dead_letter *dead_letter)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};

    if (is_text(dead_letter->message))
        tb_buf_add_str(&text, dead_letter->message);
    if (tb_dead_letter_redrives_exhausted(dead_letter))
        tb_buf_addf(&text,
                    "; it followed %d times in a row in vain and does so no more: replay it",
                    TB_REDRIVES_MAX);
    if (!tb_buf_ok(&text))
        out->failed = true;
    else
        tb_json_member_str(out, "message", text.len > 0 ? tb_buf_str(&text) : TB_STR(""));
}

void tb_dead_letter_add_json(struct tb_buf *out, const char *topic,
                             const struct tb_dead_letter *dead_letter)
{
    char id[TB_DEAD_LETTER_ID_SIZE];

    tb_dead_letter_id_format(topic, dead_letter->position, id);
    tb_json_open(out, NULL, '{');
    tb_json_member_str(out, "id", tb_str_of(id));
    if (dead_letter->order_id[0] != '\0')
        tb_json_member_str(out, "orderId", tb_str_of(dead_letter->order_id));
    if (dead_letter->version > 0)
        tb_json_member_int(out, "version", dead_letter->version);
    if (dead_letter->type.ptr)
        tb_json_member_str(out, "type", dead_letter->type);
    tb_json_member_str(out, "reason", dead_letter->reason);
    add_message(out, dead_letter);
    tb_json_member_str(out, "topic", tb_str_of(topic));
    tb_json_member_int(out, "partition", dead_letter->position.partition);
    tb_json_member_int(out, "offset", tb_log_offset(dead_letter->position.offset));
    tb_json_member_time(out, "deadAt", dead_letter->dead_at_ms);
    tb_json_member_time(out, "changedAt", dead_letter->changed_at_ms);
    tb_json_member_int(out, "attempts", dead_letter->attempts);
    tb_json_member_str(out, "status", tb_str_of(tb_dead_letter_status_name(dead_letter->status)));
    add_bytes(out, "key", "keyBase64", dead_letter->key);
    add_headers(out, dead_letter);
    add_bytes(out, "value", "valueBase64", dead_letter->value);
    tb_buf_addc(out, '}');
}
