#include "api/handlers/cursor.h"
#include "base/time/timefmt.h"
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>

#define PLAIN_MAX 64

static void encode(const char *plain, int len, char ret_text[TB_PAGE_CURSOR_SIZE])
{
    TB_ASSERT(len > 0 && len < PLAIN_MAX && (len + 2) / 3 * 4 < TB_PAGE_CURSOR_SIZE);
    struct base64_encode_ctx base64;

    base64url_encode_init(&base64);
    size_t end = base64_encode_update(&base64, ret_text, (size_t)len, (const uint8_t *)plain);
    base64_encode_final(&base64, ret_text + end);
    ret_text[(len * 4 + 2) / 3] = '\0'; /* without the padding */
}

/* Decodes to a NUL-terminated text. False: the text is not base64url, or too long. */
static bool decode(struct tb_str text, char ret_plain[PLAIN_MAX])
{
    struct base64_decode_ctx base64;
    size_t len = 0;

    if (text.len == 0 || text.len >= TB_PAGE_CURSOR_SIZE || text.len * 3 / 4 >= PLAIN_MAX)
        return false;
    base64url_decode_init(&base64);
    if (!base64_decode_update(&base64, &len, (uint8_t *)ret_plain, text.len, text.ptr))
        return false;
    ret_plain[len] = '\0';
    return len > 0;
}

void tb_order_cursor_format(int64_t placed_at_ms, const char *order_id,
                            char ret_text[TB_PAGE_CURSOR_SIZE])
{
    char plain[PLAIN_MAX];

    encode(plain, snprintf(plain, sizeof plain, "%lld.%s", (long long)placed_at_ms, order_id),
           ret_text);
}

void tb_dead_letter_cursor_format(int64_t dead_at_ms, struct tb_dead_letter_position position,
                                  char ret_text[TB_PAGE_CURSOR_SIZE])
{
    char plain[PLAIN_MAX];

    encode(plain,
           snprintf(plain, sizeof plain, "%lld.%d.%lld", (long long)dead_at_ms,
                    (int)position.partition, (long long)position.offset),
           ret_text);
}

void tb_node_cursor_format(const char *node, char ret_text[TB_PAGE_CURSOR_SIZE])
{
    char plain[PLAIN_MAX];

    encode(plain, snprintf(plain, sizeof plain, "node.%s", node), ret_text);
}

/* Each place has exactly one cursor. So parse formats its result again and compares the texts:
 * that refuses blanks, leading zeros, numbers out of range and trailing bytes. */

bool tb_order_cursor_parse(struct tb_str text, int64_t *ret_placed_at_ms,
                           char ret_order_id[TB_UUID_SIZE])
{
    char plain[PLAIN_MAX], again[TB_PAGE_CURSOR_SIZE], order_id[TB_UUID_SIZE], *dot = NULL;

    if (!decode(text, plain))
        return false;
    long long placed_at_ms = strtoll(plain, &dot, 10);
    if (*dot != '.' || placed_at_ms < TB_TIME_MIN_MS || placed_at_ms > TB_TIME_MAX_MS ||
        !tb_uuid_parse(tb_str_of(dot + 1), order_id))
        return false;
    tb_order_cursor_format(placed_at_ms, order_id, again);
    if (!tb_str_eq(tb_str_of(again), text))
        return false;
    *ret_placed_at_ms = placed_at_ms;
    memcpy(ret_order_id, order_id, TB_UUID_SIZE);
    return true;
}

bool tb_dead_letter_cursor_parse(struct tb_str text, int64_t *ret_dead_at_ms,
                                 struct tb_dead_letter_position *ret_position)
{
    char plain[PLAIN_MAX], again[TB_PAGE_CURSOR_SIZE], *end = NULL;
    struct tb_dead_letter_position position;

    if (!decode(text, plain))
        return false;
    long long dead_at_ms = strtoll(plain, &end, 10);
    position.partition = *end == '.' ? (int32_t)strtol(end + 1, &end, 10) : -1;
    position.offset = *end == '.' ? strtoll(end + 1, NULL, 10) : -1;
    tb_dead_letter_cursor_format(dead_at_ms, position, again);
    if (position.partition < 0 || position.offset < 0 || !tb_str_eq(tb_str_of(again), text))
        return false;
    *ret_dead_at_ms = dead_at_ms;
    *ret_position = position;
    return true;
}

bool tb_node_cursor_parse(struct tb_str text, char ret_node[TB_HEARTBEAT_NODE_SIZE])
{
    static const char prefix[] = "node.";
    char plain[PLAIN_MAX], again[TB_PAGE_CURSOR_SIZE];
    const char *node = plain + strlen(prefix);

    if (!decode(text, plain) || strncmp(plain, prefix, strlen(prefix)) != 0 ||
        !tb_node_name_valid(tb_str_of(node)))
        return false;
    tb_node_cursor_format(node, again);
    if (!tb_str_eq(tb_str_of(again), text))
        return false;
    memcpy(ret_node, node, strlen(node) + 1);
    return true;
}
