#include "api/ws/accept.h"
#include "api/http/base64.h"

/* The protocol's own constant, which no other would add. */
#define GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
#define KEY_LEN 24
#define BLOCK 64
#define DIGEST 20

static uint32_t rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

/* FIPS 180-4, 6.1.2: one block. */
static void sha1_block(uint32_t hash[5], const unsigned char block[BLOCK])
{
    static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t w[80];
    uint32_t a = hash[0], b = hash[1], c = hash[2], d = hash[3], e = hash[4];

    for (int t = 0; t < 16; t++)
        w[t] = (uint32_t)block[4 * t] << 24 | (uint32_t)block[4 * t + 1] << 16 |
               (uint32_t)block[4 * t + 2] << 8 | block[4 * t + 3];
    for (int t = 16; t < 80; t++)
        w[t] = rotate(w[t - 3] ^ w[t - 8] ^ w[t - 14] ^ w[t - 16], 1);
    for (int t = 0; t < 80; t++) {
        uint32_t f = t < 20              ? (b & c) | (~b & d)
                     : t >= 40 && t < 60 ? (b & c) | (b & d) | (c & d)
                                         : b ^ c ^ d;
        uint32_t next = rotate(a, 5) + f + e + constants[t / 20] + w[t];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = next;
    }
    hash[0] += a;
    hash[1] += b;
    hash[2] += c;
    hash[3] += d;
    hash[4] += e;
}

/* Of key and constant: 60 bytes, with the padding two blocks. */
static void sha1_of_key(struct tb_str key, unsigned char ret_digest[DIGEST])
{
    uint32_t hash[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    unsigned char text[2 * BLOCK] = {0};
    const size_t len = KEY_LEN + sizeof(GUID) - 1;

    memcpy(text, key.ptr, KEY_LEN);
    memcpy(text + KEY_LEN, GUID, sizeof(GUID) - 1);
    text[len] = 0x80;
    text[2 * BLOCK - 2] = (unsigned char)(len * 8 >> 8);
    text[2 * BLOCK - 1] = (unsigned char)(len * 8 & 0xff);
    sha1_block(hash, text);
    sha1_block(hash, text + BLOCK);
    for (int i = 0; i < DIGEST; i++)
        ret_digest[i] = (unsigned char)(hash[i / 4] >> (24 - 8 * (i % 4)));
}

/* 16 bytes are 22 digits and "==". */
static bool is_key(struct tb_str key)
{
    if (key.len != KEY_LEN || memcmp(key.ptr + 22, "==", 2) != 0)
        return false;
    for (size_t i = 0; i < 22; i++) {
        if (memchr(tb_base64_alphabet, key.ptr[i], 64) == NULL)
            return false;
    }
    return true;
}

bool tb_ws_accept(struct tb_str key, char ret_accept[TB_WS_ACCEPT_SIZE])
{
    unsigned char digest[DIGEST];

    if (!is_key(key))
        return false;
    sha1_of_key(key, digest);
    tb_base64((struct tb_str){(const char *)digest, DIGEST}, ret_accept);
    return true;
}
