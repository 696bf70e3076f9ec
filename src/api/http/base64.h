/* Base64 (RFC 4648): with padding, or for URLs without it.
 *
 * Thread:  pure.
 * Memory:  none.
 * Errors:  none; a buffer remembers that it failed.
 * Units:   bytes. */
#pragma once
#include "base/mem/buf.h"

/* 64 digits and a NUL. */
extern const char tb_base64_alphabet[], tb_base64_url_alphabet[];

/* 4 characters for every 3 bytes, and a NUL; for URLs the last ones without padding. */
void tb_base64(struct tb_str bytes, char *out);
void tb_base64_url(struct tb_str bytes, char *out);
void tb_base64_add(struct tb_buf *out, struct tb_str bytes);
