#include "base/mem/buf.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BUF_CAP_MIN 128

bool tb_name_find(struct tb_str name, const char *(*name_of)(unsigned value), unsigned count,
                  unsigned *ret_value)
{
    for (unsigned value = 0; value < count; value++) {
        if (tb_str_eq(name, tb_str_of(name_of(value)))) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

void tb_buf_release(struct tb_buf *buf)
{
    free(buf->data);
    *buf = (struct tb_buf){0};
}

void tb_buf_clear(struct tb_buf *buf)
{
    buf->len = 0;
    buf->failed = false;
    if (buf->data)
        buf->data[0] = '\0';
}

bool tb_buf_ok(const struct tb_buf *buf)
{
    return !buf->failed;
}

bool tb_buf_reserve(struct tb_buf *buf, size_t more)
{
    size_t need, cap;
    char *data;

    if (buf->failed)
        return false;
    if (more < buf->cap - buf->len) /* one byte is for the NUL */
        return true;
    if (more > SIZE_MAX / 4 || buf->len > SIZE_MAX / 4) {
        buf->failed = true;
        return false;
    }
    need = buf->len + more + 1;
    cap = buf->cap ? buf->cap : BUF_CAP_MIN;
    while (cap < need)
        cap *= 2;
    data = realloc(buf->data, cap);
    if (!data) {
        buf->failed = true;
        return false;
    }
    buf->data = data;
    buf->cap = cap;
    buf->data[buf->len] = '\0';
    return true;
}

char *tb_buf_take(struct tb_buf *buf, size_t *ret_len)
{
    char *data;

    if (!tb_buf_reserve(buf, 0)) {
        tb_buf_release(buf);
        return NULL;
    }
    data = buf->data;
    if (ret_len)
        *ret_len = buf->len;
    *buf = (struct tb_buf){0};
    return data;
}

struct tb_str tb_buf_str(const struct tb_buf *buf)
{
    return (struct tb_str){buf->data ? buf->data : "", buf->len};
}

void tb_buf_add(struct tb_buf *buf, const void *bytes, size_t len)
{
    if (len == 0 || !tb_buf_reserve(buf, len))
        return;
    memcpy(buf->data + buf->len, bytes, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

int tb_buf_add_file(struct tb_buf *buf, int fd, size_t max)
{
    char part[4096];
    ssize_t got = 1;

    while (got > 0 && buf->len <= max && !buf->failed) {
        got = read(fd, part, sizeof part);
        if (got > 0)
            tb_buf_add(buf, part, (size_t)got);
    }
    return got < 0 ? errno : 0;
}

void tb_buf_adds(struct tb_buf *buf, const char *text)
{
    tb_buf_add(buf, text, strlen(text));
}

void tb_buf_add_str(struct tb_buf *buf, struct tb_str text)
{
    tb_buf_add(buf, text.ptr, text.len);
}

void tb_buf_addc(struct tb_buf *buf, char c)
{
    tb_buf_add(buf, &c, 1);
}

void tb_buf_add_int(struct tb_buf *buf, int64_t value)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest != 0);
    if (value < 0)
        tb_buf_addc(buf, '-');
    tb_buf_add(buf, digits + at, sizeof digits - at);
}

void tb_buf_vaddf(struct tb_buf *buf, const char *format, va_list args)
{
    va_list again;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (len < 0) {
        buf->failed = true;
        return;
    }
    if (!tb_buf_reserve(buf, (size_t)len))
        return;
    vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
    buf->len += (size_t)len;
}

void tb_buf_addf(struct tb_buf *buf, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    tb_buf_vaddf(buf, format, args);
    va_end(args);
}
