/* SHA-256 of one text. To hash several pieces, call nettle's sha256_* directly. */
#pragma once
#include "base/mem/buf.h"

#define TB_SHA256_SIZE 32
#define TB_SHA256_HEX_SIZE 65

void tb_sha256(struct tb_str text, uint8_t ret_digest[TB_SHA256_SIZE]);
/* 64 lower-case hex digits and a NUL. */
void tb_sha256_format(const uint8_t digest[TB_SHA256_SIZE], char ret_hex[TB_SHA256_HEX_SIZE]);
/* Both. */
void tb_sha256_hex(struct tb_str text, char ret_hex[TB_SHA256_HEX_SIZE]);
