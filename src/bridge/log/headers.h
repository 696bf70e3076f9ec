/* Record headers as one blob: name and value, each behind its length, to the blob's end.
 *
 * A header is 2 bytes of name length, 4 bytes of value length (all ones: the value is absent),
 * both little endian, then the name, then the value.
 *
 * Thread:  pure.
 * Memory:  decoded headers borrow from the blob.
 * Errors:  TB_INVALID: more or longer than a record may have; TB_CORRUPT: not such a blob.
 * Units:   bytes. */
#pragma once
#include "bridge/log/log.h"

/* Replaces what buf holds. */
TB_CHECKED enum tb_code tb_headers_encode(struct tb_buf *buf, const struct tb_header *headers,
                                          size_t count, struct tb_error *err);
/* At most max headers into ret_headers. */
TB_CHECKED enum tb_code tb_headers_decode(struct tb_str blob, struct tb_header *ret_headers,
                                          size_t max, size_t *ret_count, struct tb_error *err);
