/* Encodes a record's headers as one blob, the form in which the in-process log stores them.
 *
 * For each header: 2 bytes length of the name, 4 bytes length of the value (0xffffffff: no value),
 * both little endian, then the name, then the value.
 *
 * Memory:  decoded headers point into the blob.
 * Errors:  TB_INVALID: too many headers, or too many bytes. TB_CORRUPT: the blob was not made by
 *          tb_headers_encode. */
#pragma once
#include "bridge/log/log.h"

/* TB_INVALID: the headers are more than a log takes (TB_LOG_HEADERS_MAX, TB_LOG_HEADER_BYTES_MAX).
 */
TB_CHECKED enum tb_code tb_headers_check(const struct tb_header *headers, size_t count,
                                         struct tb_error *err);
/* Replaces the contents of buf. */
TB_CHECKED enum tb_code tb_headers_encode(struct tb_buf *buf, const struct tb_header *headers,
                                          size_t count, struct tb_error *err);
/* TB_CORRUPT as well if the blob has more than max headers. */
TB_CHECKED enum tb_code tb_headers_decode(struct tb_str blob, struct tb_header *ret_headers,
                                          size_t max, size_t *ret_count, struct tb_error *err);
