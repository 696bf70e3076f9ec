/* WebSocket frames (RFC 6455), by the library wslay: reads messages from bytes, and writes frames
 * into buffers. No sockets.
 *
 * Malformed bytes become a fault with a close code:
 *   - 1002: a frame that is unmasked, reserved, out of turn or malformed
 *   - 1003: a binary message
 *   - 1007: text that is not UTF-8
 *   - 1009: a message larger than TB_WS_MESSAGE_MAX
 *
 * Memory:  between frames a reader has no memory: wslay's state takes 4 kB, and most of the
 *          thousands of connections are silent. A message is borrowed until the next call.
 * Errors:  a fault is a message of kind TB_WS_FAULT, the last one; out of memory is a fault with
 *          1011. */
#pragma once
#include "base/mem/buf.h"

/* Bytes of a message from a client. Its commands have less than 100. */
#define TB_WS_MESSAGE_MAX 1024
/* The longest header of a frame from a client, and the longest payload of a control frame. */
#define TB_WS_HEADER_MAX 14
#define TB_WS_CONTROL_MAX 125

enum tb_ws_kind {
    TB_WS_NOTHING, /* more bytes are needed */
    TB_WS_TEXT,
    TB_WS_PING,
    TB_WS_PONG,
    TB_WS_CLOSE,
    TB_WS_FAULT
};
enum tb_ws_code {
    TB_WS_NORMAL = 1000,
    TB_WS_GOING_AWAY = 1001,
    TB_WS_PROTOCOL = 1002,
    TB_WS_UNSUPPORTED = 1003,
    TB_WS_NO_CODE = 1005, /* a close frame without a code; never sent as a code */
    TB_WS_NOT_UTF8 = 1007,
    TB_WS_POLICY = 1008,
    TB_WS_TOO_BIG = 1009,
    TB_WS_INTERNAL = 1011,
    TB_WS_TRY_LATER = 1013
};

struct tb_ws_reader {
    struct tb_buf bytes; /* received frames; those before `at` are handled */
    size_t at;           /* where in `bytes` the next frame begins */
    struct tb_buf text;  /* a message that is not complete yet, or the last one returned */
    bool in_message;     /* the last fragment of `text` has not come yet */
    bool ended;          /* by a close or a fault: later bytes are ignored */
};
struct tb_ws_message {
    enum tb_ws_kind kind;
    enum tb_ws_code code; /* of a close or a fault */
    struct tb_str data;   /* of a text */
    const char *fault;    /* what was wrong, for the client */
    size_t control_len;   /* of a ping or a pong */
    char control[TB_WS_CONTROL_MAX];
};
void tb_ws_reader_release(struct tb_ws_reader *reader);
/* Adds received bytes. */
void tb_ws_reader_add(struct tb_ws_reader *reader, const void *bytes, size_t len);
/* Reads the next message from the bytes. Call it until it returns TB_WS_NOTHING. */
enum tb_ws_kind tb_ws_reader_next(struct tb_ws_reader *reader, struct tb_ws_message *ret_message);

struct tb_ws_writer {
    void *frames; /* wslay's context */
    struct tb_buf *out;
};
TB_CHECKED enum tb_code tb_ws_writer_init(struct tb_ws_writer *writer, struct tb_error *err);
void tb_ws_writer_release(struct tb_ws_writer *writer);
/* Appends a frame to out; kind: text, ping or pong. */
void tb_ws_write(struct tb_ws_writer *writer, struct tb_buf *out, enum tb_ws_kind kind,
                 struct tb_str payload);
/* Appends a close frame; with TB_WS_NO_CODE an empty one. A reason that is too long is cut. */
void tb_ws_write_close(struct tb_ws_writer *writer, struct tb_buf *out, enum tb_ws_code code,
                       const char *reason);
