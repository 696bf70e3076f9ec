/* SHA-256 of one text, in hex. To hash several pieces, call nettle's sha256_* directly. */
#pragma once
#include "base/mem/buf.h"

#define TB_SHA256_HEX_SIZE 65
/* 64 lower-case hex digits and a NUL. */
void tb_sha256_hex(struct tb_str text, char ret_hex[TB_SHA256_HEX_SIZE]);
