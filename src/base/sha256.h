/* SHA-256 (FIPS 180-4): fingerprints of requests and contents. Ours because no library on our
 * list brings one.
 *
 * Thread:  pure.
 * Memory:  none kept.
 * Errors:  none.
 * Units:   bytes. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define TB_SHA256_SIZE 32
struct tb_sha256 {
    uint32_t state[8];
    uint64_t total;
    uint8_t block[64];
};
void tb_sha256_init(struct tb_sha256 *sha);
void tb_sha256_add(struct tb_sha256 *sha, const void *bytes, size_t len);
void tb_sha256_end(struct tb_sha256 *sha, uint8_t ret_digest[TB_SHA256_SIZE]);
/* 64 lower-case hex digits and a NUL. */
void tb_sha256_hex(const uint8_t digest[TB_SHA256_SIZE], char ret_hex[2 * TB_SHA256_SIZE + 1]);
