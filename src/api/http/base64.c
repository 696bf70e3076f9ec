#include "api/http/base64.h"
#include <stdint.h>

#define LETTERS_AND_DIGITS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

const char tb_base64_url_alphabet[] = LETTERS_AND_DIGITS "-_";
const char tb_base64_alphabet[] = LETTERS_AND_DIGITS "+/";

/* Up to 3 bytes; returns how many characters say something. */
static size_t encode_group(const char *bytes, size_t len, const char *alphabet, char out[4])
{
    uint32_t bits = (uint32_t)(unsigned char)bytes[0] << 16;

    if (len > 1)
        bits |= (uint32_t)(unsigned char)bytes[1] << 8;
    if (len > 2)
        bits |= (uint32_t)(unsigned char)bytes[2];
    for (int i = 0; i < 4; i++)
        out[i] = alphabet[bits >> (18 - 6 * i) & 63];
    return len > 2 ? 4 : len + 1;
}

void tb_base64(struct tb_str bytes, char *out)
{
    for (size_t i = 0; i < bytes.len; i += 3, out += 4) {
        size_t n = encode_group(bytes.ptr + i, bytes.len - i, tb_base64_alphabet, out);

        memset(out + n, '=', 4 - n);
    }
    *out = '\0';
}

void tb_base64_url(struct tb_str bytes, char *out)
{
    char group[4];

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = encode_group(bytes.ptr + i, bytes.len - i, tb_base64_url_alphabet, group);

        memcpy(out, group, n);
        out += n;
    }
    *out = '\0';
}

void tb_base64_add(struct tb_buf *out, struct tb_str bytes)
{
    char group[4];

    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = encode_group(bytes.ptr + i, bytes.len - i, tb_base64_alphabet, group);

        memset(group + n, '=', 4 - n);
        tb_buf_add(out, group, 4);
    }
}
