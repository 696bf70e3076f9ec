#include "api/ws/frames.h"
#include "base/json/json.h"
#include <sys/types.h>
#include <wslay/wslay.h>

/* Bytes of the code in a close frame. */
#define CODE_LEN 2

void tb_ws_reader_release(struct tb_ws_reader *reader)
{
    tb_buf_release(&reader->bytes);
    tb_buf_release(&reader->text);
    *reader = (struct tb_ws_reader){0};
}

void tb_ws_reader_add(struct tb_ws_reader *reader, const void *bytes, size_t len)
{
    if (!reader->ended)
        tb_buf_add(&reader->bytes, bytes, len);
}

/* wslay_frame_recv_callback: copies received bytes; -1: none are left. */
static ssize_t copy_input(uint8_t *buf, size_t len, int flags, void *user_data)
{
    struct tb_str *left = user_data;
    size_t count = left->len < len ? left->len : len;

    (void)flags;
    if (count == 0)
        return -1;
    memcpy(buf, left->ptr, count);
    left->ptr += count;
    left->len -= count;
    return (ssize_t)count;
}

static enum tb_ws_kind fault(struct tb_ws_message *message, enum tb_ws_code code, const char *text)
{
    message->code = code;
    message->fault = text;
    return TB_WS_FAULT;
}

/* Is it a code that a client may send: of the standard, of a library, or of an application? */
static bool is_close_code(int code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

static enum tb_ws_kind parse_close(struct tb_ws_message *message, struct tb_str payload)
{
    message->code = TB_WS_NO_CODE;
    if (payload.len == 0)
        return TB_WS_CLOSE;
    if (payload.len < CODE_LEN)
        return fault(message, TB_WS_PROTOCOL, "A close code has two bytes.");
    int code = (unsigned char)payload.ptr[0] << 8 | (unsigned char)payload.ptr[1];
    if (!is_close_code(code))
        return fault(message, TB_WS_PROTOCOL, "There is no such close code.");
    if (!tb_utf8_valid((struct tb_str){payload.ptr + CODE_LEN, payload.len - CODE_LEN}))
        return fault(message, TB_WS_NOT_UTF8, "The close reason is not UTF-8.");
    message->code = (enum tb_ws_code)code;
    return TB_WS_CLOSE;
}

static enum tb_ws_kind parse_control(struct tb_ws_message *message, uint8_t opcode,
                                     struct tb_str payload)
{
    if (opcode == WSLAY_CONNECTION_CLOSE)
        return parse_close(message, payload);
    message->control_len = payload.len;
    memcpy(message->control, payload.ptr, payload.len);
    return opcode == WSLAY_PING ? TB_WS_PING : TB_WS_PONG;
}

/* Adds a fragment; the last one completes a message. */
static enum tb_ws_kind parse_data(struct tb_ws_reader *reader, struct tb_ws_message *message,
                                  const struct wslay_frame_iocb *frame)
{
    if (!reader->in_message)
        tb_buf_clear(&reader->text);
    tb_buf_add(&reader->text, frame->data, frame->data_length);
    reader->in_message = !frame->fin;
    if (reader->in_message)
        return TB_WS_NOTHING;
    message->data = tb_buf_str(&reader->text);
    if (!tb_utf8_valid(message->data))
        return fault(message, TB_WS_NOT_UTF8, "A text message is not UTF-8.");
    return TB_WS_TEXT;
}

/* What is wrong with the header; NULL: nothing. */
static const char *check_header(const struct tb_ws_reader *reader,
                                const struct wslay_frame_iocb *frame)
{
    bool first = frame->opcode == WSLAY_TEXT_FRAME || frame->opcode == WSLAY_BINARY_FRAME;

    if (frame->rsv != 0)
        return "Reserved bits are set: no extension was agreed upon.";
    if (!frame->mask)
        return "A frame from a client must be masked.";
    if (wslay_is_ctrl_frame(frame->opcode))
        return frame->opcode <= WSLAY_PONG ? NULL : "There is no such opcode.";
    if (!first && frame->opcode != WSLAY_CONTINUATION_FRAME)
        return "There is no such opcode.";
    if (first && reader->in_message)
        return "A message begins before the last one has ended.";
    if (!first && !reader->in_message)
        return "There is no message to be continued.";
    return NULL;
}

static size_t header_len(const struct wslay_frame_iocb *frame)
{
    size_t extended = frame->payload_length < 126 ? 0 : frame->payload_length < 65536 ? 2 : 8;

    return 2 + extended + 4;
}

static enum tb_ws_kind handle_frame(struct tb_ws_reader *reader, struct tb_ws_message *message,
                                    const struct wslay_frame_iocb *frame)
{
    const char *wrong = check_header(reader, frame);
    struct tb_str payload = {(const char *)frame->data, frame->data_length};
    size_t before = reader->in_message ? reader->text.len : 0;

    if (wrong)
        return fault(message, TB_WS_PROTOCOL, wrong);
    if (frame->opcode == WSLAY_BINARY_FRAME)
        return fault(message, TB_WS_UNSUPPORTED, "Messages are text.");
    if (!wslay_is_ctrl_frame(frame->opcode) && frame->payload_length > TB_WS_MESSAGE_MAX - before)
        return fault(message, TB_WS_TOO_BIG, "The message is too large.");
    if (frame->data_length < frame->payload_length)
        return TB_WS_NOTHING;
    reader->at += header_len(frame) + frame->data_length;
    if (wslay_is_ctrl_frame(frame->opcode))
        return parse_control(message, frame->opcode, payload);
    return parse_data(reader, message, frame);
}

/* Reads one frame. While a part of it is missing, consumes nothing. */
static enum tb_ws_kind read_frame(struct tb_ws_reader *reader, struct tb_ws_message *message)
{
    const struct wslay_frame_callbacks callbacks = {.recv_callback = copy_input};
    struct tb_str left = {reader->bytes.data + reader->at, reader->bytes.len - reader->at};
    wslay_frame_context_ptr frames = NULL;
    struct wslay_frame_iocb frame = {0};
    enum tb_ws_kind kind = TB_WS_NOTHING;

    if (left.len == 0)
        return TB_WS_NOTHING;
    if (wslay_frame_context_init(&frames, &callbacks, &left) != 0)
        return fault(message, TB_WS_INTERNAL, "Out of memory.");
    ssize_t got = wslay_frame_recv(frames, &frame);
    if (got == WSLAY_ERR_PROTO)
        kind = fault(message, TB_WS_PROTOCOL, "A frame is malformed.");
    else if (got >= 0)
        kind = handle_frame(reader, message, &frame);
    wslay_frame_context_free(frames);
    return kind;
}

/* Drops the consumed bytes, and the memory when none are left. */
static void compact(struct tb_ws_reader *reader)
{
    struct tb_buf rest = {0};

    if (reader->at < reader->bytes.len)
        tb_buf_add(&rest, reader->bytes.data + reader->at, reader->bytes.len - reader->at);
    rest.failed = rest.failed || reader->bytes.failed;
    tb_buf_release(&reader->bytes);
    reader->bytes = rest;
    reader->at = 0;
    if (!reader->in_message)
        tb_buf_release(&reader->text);
}

enum tb_ws_kind tb_ws_reader_next(struct tb_ws_reader *reader, struct tb_ws_message *ret_message)
{
    enum tb_ws_kind kind = TB_WS_NOTHING;
    size_t at;

    ret_message->fault = NULL;
    if (reader->ended) {
        tb_buf_release(&reader->bytes);
        tb_buf_release(&reader->text);
        return ret_message->kind = TB_WS_NOTHING;
    }
    do { /* a fragment consumes bytes, but is no message yet */
        at = reader->at;
        kind = read_frame(reader, ret_message);
    } while (kind == TB_WS_NOTHING && reader->at > at);
    if (kind == TB_WS_NOTHING)
        compact(reader);
    if (!tb_buf_ok(&reader->bytes) || !tb_buf_ok(&reader->text))
        kind = fault(ret_message, TB_WS_INTERNAL, "Out of memory.");
    reader->ended = kind == TB_WS_CLOSE || kind == TB_WS_FAULT;
    return ret_message->kind = kind;
}

/* wslay_frame_send_callback: appends everything. If memory is out, the buffer is marked as failed.
 */
static ssize_t append_output(const uint8_t *data, size_t len, int flags, void *user_data)
{
    struct tb_ws_writer *writer = user_data;

    (void)flags;
    tb_buf_add(writer->out, data, len);
    return (ssize_t)len;
}

enum tb_code tb_ws_writer_init(struct tb_ws_writer *writer, struct tb_error *err)
{
    const struct wslay_frame_callbacks callbacks = {.send_callback = append_output};
    wslay_frame_context_ptr frames = NULL;

    *writer = (struct tb_ws_writer){0};
    if (wslay_frame_context_init(&frames, &callbacks, writer) != 0)
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    writer->frames = frames;
    return TB_OK;
}

void tb_ws_writer_release(struct tb_ws_writer *writer)
{
    if (writer->frames)
        wslay_frame_context_free(writer->frames);
    *writer = (struct tb_ws_writer){0};
}

static void write_frame(struct tb_ws_writer *writer, struct tb_buf *out, uint8_t opcode,
                        struct tb_str payload)
{
    struct wslay_frame_iocb frame = {.fin = 1,
                                     .opcode = opcode,
                                     .payload_length = payload.len,
                                     .data = (const uint8_t *)payload.ptr,
                                     .data_length = payload.len};

    writer->out = out;
    ssize_t sent = wslay_frame_send(writer->frames, &frame);
    TB_ASSERT(sent == (ssize_t)payload.len);
    writer->out = NULL;
}

void tb_ws_write(struct tb_ws_writer *writer, struct tb_buf *out, enum tb_ws_kind kind,
                 struct tb_str payload)
{
    uint8_t opcode = WSLAY_TEXT_FRAME;

    if (kind != TB_WS_TEXT)
        opcode = kind == TB_WS_PING ? WSLAY_PING : WSLAY_PONG;
    write_frame(writer, out, opcode, payload);
}

void tb_ws_write_close(struct tb_ws_writer *writer, struct tb_buf *out, enum tb_ws_code code,
                       const char *reason)
{
    char payload[TB_WS_CONTROL_MAX] = {(char)(code >> 8), (char)(code & 0xff)};
    size_t len = strnlen(reason, sizeof payload - CODE_LEN);

    memcpy(payload + CODE_LEN, reason, len);
    if (code == TB_WS_NO_CODE)
        write_frame(writer, out, WSLAY_CONNECTION_CLOSE, (struct tb_str){payload, 0});
    else
        write_frame(writer, out, WSLAY_CONNECTION_CLOSE, (struct tb_str){payload, CODE_LEN + len});
}
