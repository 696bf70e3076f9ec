/* Buffer: bytes to which more can be appended. A NUL always follows the last byte.
 *
 * Memory:  tb_buf_release frees it; what tb_buf_take returns, the caller frees with free().
 * Errors:  after a failed allocation all later appends do nothing, and tb_buf_ok returns false:
 *          check once, after the last append. */
#pragma once
#include "base/error.h"
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

/* Borrowed bytes. ptr NULL means absent; "" is present and empty. */
struct tb_str {
    const char *ptr;
    size_t len;
};
#define TB_STR(literal) ((struct tb_str){(literal), sizeof(literal) - 1})
static inline struct tb_str tb_str_of(const char *text)
{
    return (struct tb_str){text, text ? strlen(text) : 0};
}
/* Below, equal to or above 0, as memcmp; a text comes behind its beginnings. */
static inline int tb_str_compare(struct tb_str a, struct tb_str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.ptr, b.ptr, len) : 0;

    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}
static inline bool tb_str_eq(struct tb_str a, struct tb_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* Finds the value from 0 to count - 1 that has this name. False: none has, and *ret_value stays.
 */
bool tb_name_find(struct tb_str name, const char *(*name_of)(unsigned value), unsigned count,
                  unsigned *ret_value);

struct tb_buf {
    char *data; /* NULL until the first append */
    size_t len, cap;
    bool failed;
};

void tb_buf_release(struct tb_buf *buf);
void tb_buf_clear(struct tb_buf *buf); /* keeps the memory */
bool tb_buf_ok(const struct tb_buf *buf);
/* Returns the bytes, NUL-terminated, and empties the buffer; NULL if an allocation failed. ret_len
 * may be NULL. */
char *tb_buf_take(struct tb_buf *buf, size_t *ret_len);
struct tb_str tb_buf_str(const struct tb_buf *buf);

/* Makes room for `more` further bytes; false when out of memory. */
bool tb_buf_reserve(struct tb_buf *buf, size_t more);
void tb_buf_add(struct tb_buf *buf, const void *bytes, size_t len);
void tb_buf_adds(struct tb_buf *buf, const char *text);
void tb_buf_add_str(struct tb_buf *buf, struct tb_str text);
/* Appends what the descriptor has up to its end, but stops once the buffer has more than `max`
 * bytes. Returns 0, or errno of the read that failed. */
int tb_buf_add_file(struct tb_buf *buf, int fd, size_t max);
void tb_buf_addc(struct tb_buf *buf, char c);
void tb_buf_add_int(struct tb_buf *buf, int64_t value); /* decimal */
void tb_buf_addf(struct tb_buf *buf, const char *format, ...) TB_PRINTF(2, 3);
void tb_buf_vaddf(struct tb_buf *buf, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
