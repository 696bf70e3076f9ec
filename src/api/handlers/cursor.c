#include "api/handlers/cursor.h"
#include "base/time/timefmt.h"
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAIN_MAX 64

/* One text for each position: what is written is read back as no other. */
static void encode(const char *plain, int len, char ret_text[TB_PAGE_CURSOR_SIZE])
{
    TB_ASSERT(len > 0 && len < PLAIN_MAX && (len + 2) / 3 * 4 < TB_PAGE_CURSOR_SIZE);
    struct base64_encode_ctx base64;

    base64url_encode_init(&base64);
    size_t end = base64_encode_update(&base64, ret_text, (size_t)len, (const uint8_t *)plain);
    base64_encode_final(&base64, ret_text + end);
    ret_text[(len * 4 + 2) / 3] = '\0'; /* without the padding */
}

void tb_order_cursor_format(int64_t placed_at_ms, const char *order_id,
                            char ret_text[TB_PAGE_CURSOR_SIZE])
{
    char plain[PLAIN_MAX];
    int len = snprintf(plain, sizeof(plain), "%lld.%s", (long long)placed_at_ms, order_id);

    encode(plain, len, ret_text);
}

/* The decoded bytes, NUL-terminated; 0 if text is not base64url of so few. */
static size_t decode(struct tb_str text, char ret_plain[PLAIN_MAX])
{
    struct base64_decode_ctx base64;
    size_t len = 0;

    if (text.len == 0 || text.len >= TB_PAGE_CURSOR_SIZE || text.len * 3 / 4 >= PLAIN_MAX)
        return 0;
    base64url_decode_init(&base64);
    if (!base64_decode_update(&base64, &len, (uint8_t *)ret_plain, text.len, text.ptr))
        return 0;
    ret_plain[len] = '\0';
    return len;
}

bool tb_order_cursor_parse(struct tb_str text, int64_t *ret_placed_at_ms,
                           char ret_order_id[TB_UUID_SIZE])
{
    char plain[PLAIN_MAX], again[TB_PAGE_CURSOR_SIZE], order_id[TB_UUID_SIZE];
    size_t len = decode(text, plain);
    char *dot = NULL;

    if (len <= TB_UUID_LEN + 1 || len > TB_UUID_LEN + 18)
        return false;
    long long placed_at_ms = strtoll(plain, &dot, 10);
    if (*dot != '.' || placed_at_ms < TB_TIME_MIN_MS || placed_at_ms > TB_TIME_MAX_MS ||
        !tb_uuid_parse((struct tb_str){dot + 1, len - (size_t)(dot + 1 - plain)}, order_id))
        return false;
    /* One text for one position: what reads the same but is written otherwise is not ours. */
    tb_order_cursor_format(placed_at_ms, order_id, again);
    if (!tb_str_eq(tb_str_of(again), text))
        return false;
    *ret_placed_at_ms = placed_at_ms;
    memcpy(ret_order_id, order_id, TB_UUID_SIZE);
    return true;
}

void tb_dead_letter_cursor_format(int64_t dead_at_ms, struct tb_dead_letter_position place,
                                  char ret_text[TB_PAGE_CURSOR_SIZE])
{
    char plain[PLAIN_MAX];
    int len = snprintf(plain, sizeof(plain), "%lld.%d.%lld", (long long)dead_at_ms,
                       (int)place.partition, (long long)place.offset);

    encode(plain, len, ret_text);
}

bool tb_dead_letter_cursor_parse(struct tb_str text, int64_t *ret_dead_at_ms,
                                 struct tb_dead_letter_position *ret_place)
{
    char plain[PLAIN_MAX], again[TB_PAGE_CURSOR_SIZE], *dot = NULL;
    struct tb_dead_letter_position place;

    if (decode(text, plain) == 0)
        return false;
    long long dead_at_ms = strtoll(plain, &dot, 10);
    if (*dot != '.')
        return false;
    long partition = strtol(dot + 1, &dot, 10);
    if (*dot != '.' || partition < 0 || partition > INT32_MAX)
        return false;
    place = (struct tb_dead_letter_position){(int32_t)partition, strtoll(dot + 1, NULL, 10)};
    tb_dead_letter_cursor_format(dead_at_ms, place, again);
    if (place.offset < 0 || !tb_str_eq(tb_str_of(again), text))
        return false;
    *ret_dead_at_ms = dead_at_ms;
    *ret_place = place;
    return true;
}
