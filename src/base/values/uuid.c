#include "base/values/uuid.h"

#define COUNTER_MAX 0xfffu

static void put_hex(char *out, uint64_t value, int digits)
{
    static const char hex[] = "0123456789abcdef";

    for (int i = digits - 1; i >= 0; i--) {
        out[i] = hex[value & 15];
        value >>= 4;
    }
}

void tb_uuid_new(struct tb_uuid_gen *gen, char ret_uuid[TB_UUID_SIZE])
{
    int64_t now = tb_clock_wall_ms(gen->clock);
    uint64_t bits[2];

    tb_random_fill(gen->random, bits, sizeof bits);
    if (now > gen->last_ms) {
        gen->last_ms = now;
        gen->counter = (uint32_t)bits[0] & (COUNTER_MAX >> 1); /* leaves room to count up */
    } else if (++gen->counter > COUNTER_MAX) {
        gen->last_ms++; /* the counter is used up: go on as if the next millisecond had begun */
        gen->counter = 0;
    }

    uint64_t ms = (uint64_t)gen->last_ms & 0xffffffffffffu;
    put_hex(ret_uuid, ms >> 16, 8);
    ret_uuid[8] = '-';
    put_hex(ret_uuid + 9, ms, 4);
    ret_uuid[13] = '-';
    put_hex(ret_uuid + 14, 0x7000u | gen->counter, 4);
    ret_uuid[18] = '-';
    put_hex(ret_uuid + 19, 0x8000u | (bits[1] & 0x3fffu), 4);
    ret_uuid[23] = '-';
    put_hex(ret_uuid + 24, bits[1] >> 14, 12);
    ret_uuid[TB_UUID_LEN] = '\0';
}

bool tb_uuid_parse(struct tb_str text, char ret_uuid[TB_UUID_SIZE])
{
    char lower[TB_UUID_SIZE];

    if (!text.ptr || text.len != TB_UUID_LEN)
        return false;
    for (size_t i = 0; i < TB_UUID_LEN; i++) {
        char c = text.ptr[i], low = (char)(c | 0x20); /* 0x20 makes a letter lower case */
        lower[i] = (c >= '0' && c <= '9') || (low >= 'a' && low <= 'f') ? low : '\0';
    }
    for (size_t i = 8; i <= 23; i += 5)
        lower[i] = text.ptr[i] == '-' ? '-' : '\0';
    if (memchr(lower, '\0', TB_UUID_LEN))
        return false;
    lower[TB_UUID_LEN] = '\0';
    memcpy(ret_uuid, lower, sizeof lower);
    return true;
}

bool tb_epoch_valid(struct tb_str text)
{
    if (text.len != TB_EPOCH_SIZE - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return false;
    }
    return true;
}
