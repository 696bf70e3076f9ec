#include "base/values/sha256.h"
#include <nettle/base16.h>
#include <nettle/sha2.h>

void tb_sha256_hex(struct tb_str text, char ret_hex[TB_SHA256_HEX_SIZE])
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;

    sha256_init(&sha);
    sha256_update(&sha, text.len, (const uint8_t *)text.ptr);
    sha256_digest(&sha, sizeof digest, digest);
    base16_encode_update(ret_hex, sizeof digest, digest);
    ret_hex[TB_SHA256_HEX_SIZE - 1] = '\0';
}
