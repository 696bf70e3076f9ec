#include "base/values/sha256.h"
#include <nettle/base16.h>
#include <nettle/sha2.h>

void tb_sha256(struct tb_str text, uint8_t ret_digest[TB_SHA256_SIZE])
{
    struct sha256_ctx sha;

    sha256_init(&sha);
    sha256_update(&sha, text.len, (const uint8_t *)text.ptr);
    sha256_digest(&sha, TB_SHA256_SIZE, ret_digest);
}

void tb_sha256_format(const uint8_t digest[TB_SHA256_SIZE], char ret_hex[TB_SHA256_HEX_SIZE])
{
    base16_encode_update(ret_hex, TB_SHA256_SIZE, digest);
    ret_hex[TB_SHA256_HEX_SIZE - 1] = '\0';
}

void tb_sha256_hex(struct tb_str text, char ret_hex[TB_SHA256_HEX_SIZE])
{
    uint8_t digest[TB_SHA256_SIZE];

    tb_sha256(text, digest);
    tb_sha256_format(digest, ret_hex);
}
