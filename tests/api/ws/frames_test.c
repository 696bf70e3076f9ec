/* Promise: the frames of a client are read as RFC 6455 says, or the connection ends with the code
 * that says what was wrong; however the bytes are cut, and in bounded memory. Method: a table of
 * frame sequences (after the groups of the Autobahn test suite), each fed whole, byte by byte, and
 * cut in two at every place. */
#include "api/ws/frames.h"
#include "support/support.h"
#include <stdio.h>
#include <stdlib.h>

#define FRAMES_MAX 8

enum odd { EVEN, UNMASKED, LONG16, LONG64, SIGN64, ONLY_ANNOUNCED };
struct frame {
    int first; /* FIN, reserved bits, opcode; 0: no more frames */
    const char *payload;
    size_t len;
    enum odd odd;
};
#define FRAME(first, text)                                                                        \
    {                                                                                             \
        (first), (text), sizeof(text) - 1, EVEN                                                   \
    }
#define ODD(first, text, odd)                                                                     \
    {                                                                                             \
        (first), (text), sizeof(text) - 1, (odd)                                                  \
    }
#define FILLED(first, count)                                                                      \
    {                                                                                             \
        (first), NULL, (count), EVEN                                                              \
    } /* x, so many */
/* 0 is a fragment that continues: told from the end of the list by a bit that is not sent. */
#define MORE 0x100
#define TEXT 0x81
#define TEXT_BEGIN 0x01
#define CONT MORE
#define CONT_END 0x80
#define BINARY 0x82
#define CLOSE 0x88
#define PING 0x89
#define PONG 0x8a

static const struct {
    const char *name;
    struct frame frames[FRAMES_MAX];
    const char *seen; /* what comes out, in order */
} cases[] = {
    /* 1: framing */
    {"empty text", {FRAME(TEXT, "")}, "text() "},
    {"text", {FRAME(TEXT, "Hello")}, "text(Hello) "},
    {"two texts", {FRAME(TEXT, "a"), FRAME(TEXT, "b")}, "text(a) text(b) "},
    {"text of 125", {FILLED(TEXT, 125)}, "text(125 x) "},
    {"text of 126", {FILLED(TEXT, 126)}, "text(126 x) "},
    {"text at the limit", {FILLED(TEXT, 1024), FRAME(TEXT, "b")}, "text(1024 x) text(b) "},
    {"text above the limit", {FILLED(TEXT, 1025), FRAME(TEXT, "b")}, "fault(1009) "},
    {"text of 64 KiB", {FILLED(TEXT, 65536)}, "fault(1009) "},
    {"a length of 2^62", {ODD(TEXT, "x", ONLY_ANNOUNCED)}, "fault(1009) "},
    {"a length with the sign bit", {ODD(TEXT, "x", SIGN64)}, "fault(1002) "},
    {"5 bytes in 16 bits of length", {ODD(TEXT, "Hello", LONG16)}, "fault(1002) "},
    {"5 bytes in 64 bits of length", {ODD(TEXT, "Hello", LONG64)}, "fault(1002) "},
    {"binary", {FRAME(BINARY, "Hello")}, "fault(1003) "},
    {"empty binary", {FRAME(BINARY, "")}, "fault(1003) "},
    {"unmasked text", {ODD(TEXT, "Hello", UNMASKED)}, "fault(1002) "},
    {"unmasked ping", {ODD(PING, "", UNMASKED)}, "fault(1002) "},
    {"unmasked close", {ODD(CLOSE, "\x03\xe8", UNMASKED)}, "fault(1002) "},
    /* 2: pings and pongs */
    {"ping", {FRAME(PING, "")}, "ping() "},
    {"ping with bytes", {FRAME(PING, "\x01\xff")}, "ping(\x01\xff) "},
    {"ping of 125", {FILLED(PING, 125)}, "ping(125 x) "},
    {"ping of 126", {FILLED(PING, 126)}, "fault(1002) "},
    {"pong that nobody asked for", {FRAME(PONG, "p"), FRAME(TEXT, "a")}, "pong(p) text(a) "},
    {"many pings",
     {FRAME(PING, "1"), FRAME(PING, "2"), FRAME(PING, "3"), FRAME(PING, "4")},
     "ping(1) ping(2) ping(3) ping(4) "},
    {"ping in fragments", {FRAME(0x09, "a"), FRAME(CONT_END, "b")}, "fault(1002) "},
    /* 3: reserved bits */
    {"RSV1", {FRAME(TEXT | 0x40, "a")}, "fault(1002) "},
    {"RSV2", {FRAME(TEXT | 0x20, "a")}, "fault(1002) "},
    {"RSV3 behind a good one",
     {FRAME(TEXT, "a"), FRAME(TEXT | 0x10, "b")},
     "text(a) fault(1002) "},
    {"RSV on a ping", {FRAME(PING | 0x70, "")}, "fault(1002) "},
    {"RSV on a close", {FRAME(CLOSE | 0x40, "")}, "fault(1002) "},
    /* 4: opcodes */
    {"opcode 3", {FRAME(0x83, "")}, "fault(1002) "},
    {"opcode 7", {FRAME(0x87, "a")}, "fault(1002) "},
    {"opcode 11", {FRAME(0x8b, "")}, "fault(1002) "},
    {"opcode 15 behind a good one", {FRAME(TEXT, "a"), FRAME(0x8f, "")}, "text(a) fault(1002) "},
    /* 5: fragments */
    {"two fragments", {FRAME(TEXT_BEGIN, "Hel"), FRAME(CONT_END, "lo")}, "text(Hello) "},
    {"empty fragments", {FRAME(TEXT_BEGIN, ""), FRAME(CONT, ""), FRAME(CONT_END, "")}, "text() "},
    {"empty ones around",
     {FRAME(TEXT_BEGIN, ""), FRAME(CONT, "a"), FRAME(CONT_END, "")},
     "text(a) "},
    {"a ping among fragments",
     {FRAME(TEXT_BEGIN, "a"), FRAME(PING, "p"), FRAME(CONT_END, "b"), FRAME(TEXT, "c")},
     "ping(p) text(ab) text(c) "},
    {"a close among fragments",
     {FRAME(TEXT_BEGIN, "a"), FRAME(CLOSE, "\x03\xe8"), FRAME(CONT_END, "b")},
     "close(1000) "},
    {"nothing to continue", {FRAME(CONT_END, "a")}, "fault(1002) "},
    {"nothing to continue, and more", {FRAME(CONT, "a"), FRAME(CONT_END, "b")}, "fault(1002) "},
    {"continued after its end",
     {FRAME(TEXT_BEGIN, "a"), FRAME(CONT_END, "b"), FRAME(CONT_END, "c")},
     "text(ab) fault(1002) "},
    {"a text within a text", {FRAME(TEXT_BEGIN, "a"), FRAME(TEXT, "b")}, "fault(1002) "},
    {"a binary within a text", {FRAME(TEXT_BEGIN, "a"), FRAME(BINARY, "b")}, "fault(1002) "},
    {"fragments at the limit",
     {FILLED(TEXT_BEGIN, 1000), FILLED(CONT, 20), FILLED(CONT_END, 4)},
     "text(1024 x) "},
    {"fragments above the limit",
     {FILLED(TEXT_BEGIN, 1000), FILLED(CONT, 20), FILLED(CONT_END, 5)},
     "fault(1009) "},
    {"no end in sight",
     {FILLED(TEXT_BEGIN, 1024), FRAME(CONT, ""), FRAME(CONT, "x"), FRAME(CONT, "x")},
     "fault(1009) "},
    /* 6: UTF-8 */
    {"UTF-8",
     {FRAME(TEXT, "\xce\xba\xe1\xbd\xb9\xf0\x9f\xab\x96")},
     "text(\xce\xba\xe1\xbd\xb9\xf0\x9f\xab\x96) "},
    {"a character cut by a fragment",
     {FRAME(TEXT_BEGIN, "\xf0\x9f"), FRAME(CONT_END, "\xab\x96")},
     "text(\xf0\x9f\xab\x96) "},
    {"not UTF-8", {FRAME(TEXT, "a\xff")}, "fault(1007) "},
    {"a character cut by the end", {FRAME(TEXT, "\xf0\x9f\xab")}, "fault(1007) "},
    {"a surrogate", {FRAME(TEXT, "\xed\xa0\x80")}, "fault(1007) "},
    {"an overlong form", {FRAME(TEXT, "\xc0\xaf")}, "fault(1007) "},
    {"above U+10FFFF", {FRAME(TEXT, "\xf4\x90\x80\x80")}, "fault(1007) "},
    /* 7: close */
    {"close", {FRAME(CLOSE, "")}, "close(1005) "},
    {"close with a code", {FRAME(CLOSE, "\x03\xe8")}, "close(1000) "},
    {"close with a reason",
     {FRAME(CLOSE, "\x03\xe9"
                   "bye")},
     "close(1001) "},
    {"what comes behind a close",
     {FRAME(CLOSE, ""), FRAME(PING, ""), FRAME(TEXT, "a")},
     "close(1005) "},
    {"close of one byte", {FRAME(CLOSE, "\x03")}, "fault(1002) "},
    {"close of 126", {FILLED(CLOSE, 126)}, "fault(1002) "},
    {"close, reason not UTF-8", {FRAME(CLOSE, "\x03\xe8\xff")}, "fault(1007) "},
    {"close 3000", {FRAME(CLOSE, "\x0b\xb8")}, "close(3000) "},
    {"close 4999", {FRAME(CLOSE, "\x13\x87")}, "close(4999) "},
    {"close 0", {FRAME(CLOSE, "\0\0")}, "fault(1002) "},
    {"close 999", {FRAME(CLOSE, "\x03\xe7")}, "fault(1002) "},
    {"close 1004", {FRAME(CLOSE, "\x03\xec")}, "fault(1002) "},
    {"close 1005", {FRAME(CLOSE, "\x03\xed")}, "fault(1002) "},
    {"close 1006", {FRAME(CLOSE, "\x03\xee")}, "fault(1002) "},
    {"close 1015", {FRAME(CLOSE, "\x03\xf7")}, "fault(1002) "},
    {"close 1016", {FRAME(CLOSE, "\x03\xf8")}, "fault(1002) "},
    {"close 2999", {FRAME(CLOSE, "\x0b\xb7")}, "fault(1002) "},
    {"close 5000", {FRAME(CLOSE, "\x13\x88")}, "fault(1002) "},
    {"close 65535", {FRAME(CLOSE, "\xff\xff")}, "fault(1002) "},
};

static void add_length(struct tb_buf *out, const struct frame *frame)
{
    int mask = frame->odd == UNMASKED ? 0 : 0x80;
    uint64_t len = frame->odd == ONLY_ANNOUNCED ? UINT64_C(1) << 62 : frame->len;
    bool in64 = frame->odd == LONG64 || frame->odd == SIGN64 || len > 65535;

    if (frame->odd == SIGN64)
        len |= UINT64_C(1) << 63;
    if (!in64 && frame->odd != LONG16 && len < 126) {
        tb_buf_addc(out, (char)(mask | (int)len));
        return;
    }
    tb_buf_addc(out, (char)(mask | (in64 ? 127 : 126)));
    for (int shift = in64 ? 56 : 8; shift >= 0; shift -= 8)
        tb_buf_addc(out, (char)(len >> shift & 0xff));
}

static void add_frame(struct tb_buf *out, const struct frame *frame)
{
    static const unsigned char mask[4] = {0x12, 0xff, 0x00, 0xa5};

    tb_buf_addc(out, (char)(frame->first & 0xff));
    add_length(out, frame);
    if (frame->odd != UNMASKED)
        tb_buf_add(out, mask, sizeof(mask));
    for (size_t i = 0; i < frame->len; i++) {
        unsigned char byte = frame->payload != NULL ? (unsigned char)frame->payload[i] : 'x';
        tb_buf_addc(out, (char)(frame->odd == UNMASKED ? byte : byte ^ mask[i % 4]));
    }
}

static void add_bytes(struct tb_buf *seen, struct tb_str bytes)
{
    size_t filled = strspn(bytes.ptr, "x");

    if (bytes.len > 100 && filled >= bytes.len)
        tb_buf_addf(seen, "(%zu x) ", bytes.len);
    else
        tb_buf_addf(seen, "(%.*s) ", (int)bytes.len, bytes.ptr);
}

/* Reads all messages that are complete, and writes them as text. */
static void take(struct tb_ws_reader *reader, struct tb_buf *seen)
{
    struct tb_ws_message message;
    char control[TB_WS_CONTROL_MAX + 1];

    while (tb_ws_reader_next(reader, &message) != TB_WS_NOTHING) {
        switch (message.kind) {
        case TB_WS_TEXT:
            tb_buf_adds(seen, "text");
            add_bytes(seen, message.data);
            break;
        case TB_WS_PING:
        case TB_WS_PONG:
            memcpy(control, message.control, message.control_len);
            control[message.control_len] = '\0';
            tb_buf_adds(seen, message.kind == TB_WS_PING ? "ping" : "pong");
            add_bytes(seen, (struct tb_str){control, message.control_len});
            break;
        case TB_WS_CLOSE:
            tb_buf_addf(seen, "close(%d) ", (int)message.code);
            break;
        default:
            ck_assert_ptr_nonnull(message.fault);
            tb_buf_addf(seen, "fault(%d) ", (int)message.code);
        }
    }
    /* Held is at most a frame that is not whole, and a message. */
    ck_assert_uint_le(reader->bytes.len, TB_WS_HEADER_MAX + TB_WS_MESSAGE_MAX);
    ck_assert_uint_le(reader->text.len, TB_WS_MESSAGE_MAX);
}

/* Fed `first` bytes, then `step` at a time. */
static void check_cut(int number, const struct tb_buf *bytes, size_t first, size_t step)
{
    struct tb_ws_reader reader = {0};
    struct tb_buf seen = {0};

    for (size_t at = 0, len = first; at < bytes->len; at += len, len = step) {
        if (len > bytes->len - at)
            len = bytes->len - at;
        tb_ws_reader_add(&reader, bytes->data + at, len);
        if (len > 0)
            take(&reader, &seen);
    }
    ck_assert_msg(strcmp(tb_buf_str(&seen).ptr, cases[number].seen) == 0,
                  "%s, cut at %zu and every %zu: %s", cases[number].name, first, step,
                  tb_buf_str(&seen).ptr);
    tb_ws_reader_release(&reader);
    tb_buf_release(&seen);
}

START_TEST(frames)
{
    struct tb_buf bytes = {0};

    for (int i = 0; i < FRAMES_MAX && cases[_i].frames[i].first != 0; i++)
        add_frame(&bytes, &cases[_i].frames[i]);
    check_cut(_i, &bytes, bytes.len, bytes.len);
    check_cut(_i, &bytes, 1, 1);
    for (size_t first = 0; first < bytes.len && first < 300; first++)
        check_cut(_i, &bytes, first, bytes.len);
    tb_buf_release(&bytes);
}
END_TEST

/* Between frames a reader has no memory, so thousands of silent ones cost nothing. */
START_TEST(a_silent_reader_holds_nothing)
{
    static const struct frame hello = FRAME(TEXT, "Hello");
    static const struct frame begin = FRAME(TEXT_BEGIN, "Hel");
    struct tb_ws_reader reader = {0};
    struct tb_buf bytes = {0}, seen = {0};

    add_frame(&bytes, &hello);
    tb_ws_reader_add(&reader, bytes.data, bytes.len);
    take(&reader, &seen);
    ck_assert_ptr_null(reader.bytes.data);
    ck_assert_ptr_null(reader.text.data);
    add_frame(&bytes, &begin);
    tb_ws_reader_add(&reader, bytes.data, bytes.len);
    take(&reader, &seen);
    ck_assert_ptr_null(reader.bytes.data);
    ck_assert_uint_eq(reader.text.len, 3);
    tb_ws_reader_release(&reader);
    tb_buf_release(&bytes);
    tb_buf_release(&seen);
}
END_TEST

static void check_written(const struct tb_buf *out, const char *bytes, size_t len)
{
    ck_assert_uint_eq(out->len, len);
    ck_assert_int_eq(memcmp(out->data, bytes, len), 0);
}

START_TEST(written_frames)
{
    struct tb_ws_writer writer;
    struct tb_buf out = {0};
    struct tb_error err = {0};
    char text[200], reason[200];

    memset(text, 'y', sizeof(text));
    memset(reason, 'r', sizeof(reason));
    reason[199] = '\0';
    ck_ok(tb_ws_writer_init(&writer, &err));
    tb_ws_write(&writer, &out, TB_WS_TEXT, TB_STR("Hi"));
    check_written(&out, "\x81\x02Hi", 4);
    tb_buf_clear(&out);
    tb_ws_write(&writer, &out, TB_WS_TEXT, (struct tb_str){text, 200});
    ck_assert_uint_eq(out.len, 204);
    ck_assert_int_eq(memcmp(out.data, "\x81\x7e\x00\xc8yyyy", 8), 0);
    tb_buf_clear(&out);
    tb_ws_write(&writer, &out, TB_WS_PING, (struct tb_str){NULL, 0});
    tb_ws_write(&writer, &out, TB_WS_PONG, TB_STR("p"));
    check_written(&out, "\x89\x00\x8a\x01p", 5);
    tb_buf_clear(&out);
    tb_ws_write_close(&writer, &out, TB_WS_TRY_LATER, "slow");
    tb_ws_write_close(&writer, &out, TB_WS_NO_CODE, "");
    check_written(&out, "\x88\x06\x03\xf5slow\x88\x00", 10);
    tb_buf_clear(&out);
    tb_ws_write_close(&writer, &out, TB_WS_POLICY, reason);
    ck_assert_uint_eq(out.len, 2 + TB_WS_CONTROL_MAX);
    ck_assert_int_eq(out.data[1], TB_WS_CONTROL_MAX);
    tb_buf_release(&out);
    tb_ws_writer_release(&writer);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("ws_frames");
    TCase *tc = tcase_create("frames");

    tcase_add_loop_test(tc, frames, 0, (int)(sizeof(cases) / sizeof(cases[0])));
    tcase_add_test(tc, a_silent_reader_holds_nothing);
    tcase_add_test(tc, written_frames);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
