#include "api/handlers/dead_letters.h"
#include <nettle/base64.h>

/* Bytes encoded in one go: a multiple of 3, so that only the last piece is padded. */
#define BASE64_BYTES 768

/* UTF-8 without a NUL, which strict readers refuse, ours too. */
static bool is_text(struct tb_str bytes)
{
    return bytes.len == 0 || (!memchr(bytes.ptr, '\0', bytes.len) && tb_utf8_valid(bytes));
}

static void add_base64(struct tb_buf *out, struct tb_str bytes)
{
    char text[BASE64_ENCODE_RAW_LENGTH(BASE64_BYTES)];

    tb_buf_addc(out, '"');
    while (bytes.len > 0) {
        size_t len = bytes.len < BASE64_BYTES ? bytes.len : BASE64_BYTES;
        base64_encode_raw(text, len, (const uint8_t *)bytes.ptr);
        tb_buf_add(out, text, BASE64_ENCODE_RAW_LENGTH(len));
        bytes.ptr += len;
        bytes.len -= len;
    }
    tb_buf_addc(out, '"');
}

/* Under one name if it is text, else under the other. */
static void add_bytes(struct tb_buf *out, const char *name, const char *base64_name,
                      struct tb_str bytes)
{
    if (bytes.ptr == NULL)
        return;
    if (is_text(bytes)) {
        tb_json_member_str(out, name, bytes);
        return;
    }
    tb_json_member_key(out, base64_name);
    add_base64(out, bytes);
}

/* A header's value: text, null, or {"base64":"..."}. */
static void add_value(struct tb_buf *out, struct tb_str value)
{
    if (value.ptr == NULL || is_text(value)) {
        tb_json_add_string(out, value);
        return;
    }
    tb_buf_adds(out, "{\"base64\":");
    add_base64(out, value);
    tb_buf_addc(out, '}');
}

static bool seen_before(const struct tb_dead_letter *letter, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (tb_str_eq(letter->headers[i].name, letter->headers[at].name))
            return true;
    }
    return false;
}

static size_t count_of(const struct tb_dead_letter *letter, struct tb_str name)
{
    size_t count = 0;

    for (size_t i = 0; i < letter->header_count; i++)
        count += tb_str_eq(letter->headers[i].name, name);
    return count;
}

/* All values of a name; several are a list. */
static void add_values(struct tb_buf *out, const struct tb_dead_letter *letter, struct tb_str name)
{
    bool several = count_of(letter, name) > 1, first = true;

    if (several)
        tb_buf_addc(out, '[');
    for (size_t i = 0; i < letter->header_count; i++) {
        if (!tb_str_eq(letter->headers[i].name, name))
            continue;
        if (!first)
            tb_buf_addc(out, ',');
        add_value(out, letter->headers[i].value);
        first = false;
    }
    if (several)
        tb_buf_addc(out, ']');
}

static void add_headers(struct tb_buf *out, const struct tb_dead_letter *letter)
{
    bool first = true;

    tb_json_member_key(out, "headers");
    tb_buf_addc(out, '{');
    for (size_t i = 0; i < letter->header_count; i++) {
        struct tb_str name = letter->headers[i].name;

        /* A name is text wherever records come from; one that is not cannot be one here. */
        if (seen_before(letter, i) || !is_text(name))
            continue;
        if (!first)
            tb_buf_addc(out, ',');
        tb_json_add_string(out, name.ptr != NULL ? name : TB_STR(""));
        tb_buf_addc(out, ':');
        add_values(out, letter, name);
        first = false;
    }
    tb_buf_addc(out, '}');
}

static void add_message(struct tb_buf *out, const struct tb_dead_letter *letter)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};

    if (is_text(letter->message))
        tb_buf_add_str(&text, letter->message);
    if (tb_dead_letter_redrives_exhausted(letter))
        tb_buf_addf(&text,
                    "; it followed %d times in a row in vain and does so no more: replay it",
                    TB_REDRIVES_MAX);
    if (!tb_buf_ok(&text))
        out->failed = true;
    else
        tb_json_member_str(out, "message", text.len > 0 ? tb_buf_str(&text) : TB_STR(""));
}

void tb_dead_letter_add_json(struct tb_buf *out, const char *topic,
                             const struct tb_dead_letter *letter)
{
    char id[TB_DEAD_LETTER_ID_SIZE];

    tb_dead_letter_id_format(topic, letter->position, id);
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "id", tb_str_of(id));
    if (letter->order_id[0] != '\0')
        tb_json_member_str(out, "orderId", tb_str_of(letter->order_id));
    if (letter->version > 0)
        tb_json_member_int(out, "version", letter->version);
    if (letter->type.ptr != NULL)
        tb_json_member_str(out, "type", letter->type);
    tb_json_member_str(out, "reason", letter->reason);
    add_message(out, letter);
    tb_json_member_str(out, "topic", tb_str_of(topic));
    tb_json_member_int(out, "partition", letter->position.partition);
    tb_json_member_int(out, "offset", letter->position.offset);
    tb_json_member_time(out, "deadAt", letter->dead_at_ms);
    tb_json_member_time(out, "changedAt", letter->changed_at_ms);
    tb_json_member_int(out, "attempts", letter->attempts);
    tb_json_member_str(out, "status", tb_str_of(tb_dead_letter_status_name(letter->status)));
    add_bytes(out, "key", "keyBase64", letter->key);
    add_headers(out, letter);
    add_bytes(out, "value", "valueBase64", letter->value);
    tb_buf_addc(out, '}');
}
