/* Searches for bytes of a WebSocket client that crash the reader, make it buffer more than one
 * message, end in an invalid close code, or give another result if they arrive in other pieces.
 * The first byte of the input picks where the rest is cut. */
#include "api/ws/frames.h"
#include "api/ws/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_end(const struct tb_ws_message *message)
{
    bool named = message->code == TB_WS_PROTOCOL || message->code == TB_WS_UNSUPPORTED ||
                 message->code == TB_WS_NOT_UTF8 || message->code == TB_WS_TOO_BIG;

    if (message->kind == TB_WS_FAULT)
        TB_ASSERT(named && message->fault != NULL && strlen(message->fault) <= 123);
    else
        TB_ASSERT((int)message->code >= 1000 && (int)message->code <= 4999);
}

/* A subscription names an order or all; a refusal says why. */
static void check_text(struct tb_str text)
{
    struct tb_ws_command topic;
    enum tb_ws_code code = TB_WS_NORMAL;

    TB_ASSERT(text.len <= TB_WS_MESSAGE_MAX);
    const char *fault = tb_ws_command_parse(text, &topic, &code);
    if (!fault)
        TB_ASSERT(strlen(topic.order_id) == 0 || strlen(topic.order_id) == TB_UUID_LEN);
    else
        TB_ASSERT((code == TB_WS_NOT_UTF8 || code == TB_WS_POLICY) && strlen(fault) <= 123);
}

/* All that can be taken now, as bytes that tell it apart from anything else. */
static void take(struct tb_ws_reader *reader, struct tb_buf *seen)
{
    struct tb_ws_message message;

    while (tb_ws_reader_next(reader, &message) != TB_WS_NOTHING) {
        tb_buf_addf(seen, "%d ", (int)message.kind);
        if (message.kind == TB_WS_TEXT) {
            check_text(message.data);
            tb_buf_add_str(seen, message.data);
        } else if (message.kind == TB_WS_PING || message.kind == TB_WS_PONG) {
            TB_ASSERT(message.control_len <= TB_WS_CONTROL_MAX);
            tb_buf_add(seen, message.control, message.control_len);
        } else {
            check_end(&message);
            tb_buf_addf(seen, "%d", (int)message.code);
        }
    }
    TB_ASSERT(reader->bytes.len <= TB_WS_HEADER_MAX + TB_WS_MESSAGE_MAX);
    TB_ASSERT(reader->text.len <= TB_WS_MESSAGE_MAX);
}

/* Fed step bytes at a time; 0: all at once. */
static void feed(const uint8_t *data, size_t size, size_t step, struct tb_buf *seen)
{
    struct tb_ws_reader reader = {0};

    for (size_t at = 0, len = 0; at < size; at += len) {
        len = step == 0 || step > size - at ? size - at : step;
        tb_ws_reader_add(&reader, data + at, len);
        take(&reader, seen);
    }
    tb_ws_reader_release(&reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tb_buf whole = {0}, cut = {0};

    if (size == 0)
        return 0;
    feed(data + 1, size - 1, 0, &whole);
    feed(data + 1, size - 1, (size_t)data[0] % 32 + 1, &cut);
    TB_ASSERT(tb_str_eq(tb_buf_str(&whole), tb_buf_str(&cut)));
    tb_buf_release(&whole);
    tb_buf_release(&cut);
    return 0;
}
