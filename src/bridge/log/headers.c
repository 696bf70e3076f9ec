#include "bridge/log/headers.h"

#define PREFIX_SIZE 6
#define VALUE_ABSENT UINT32_MAX

_Static_assert(TB_LOG_HEADER_BYTES_MAX <= UINT16_MAX, "a length has two bytes, or four");

static void put_prefix(unsigned char *out, size_t name_len, uint32_t value_len)
{
    out[0] = (unsigned char)name_len;
    out[1] = (unsigned char)(name_len >> 8);
    for (int i = 0; i < 4; i++)
        out[2 + i] = (unsigned char)(value_len >> (8 * i));
}

enum tb_code tb_headers_check(const struct tb_header *headers, size_t count, struct tb_error *err)
{
    size_t size = 0;

    if (count > TB_LOG_HEADERS_MAX)
        return tb_error_set(err, TB_INVALID, "a record has %zu headers, at most %d are allowed",
                            count, TB_LOG_HEADERS_MAX);
    for (size_t i = 0; i < count; i++)
        size += headers[i].name.len + headers[i].value.len;
    if (size > TB_LOG_HEADER_BYTES_MAX)
        return tb_error_set(err, TB_INVALID,
                            "a record has %zu bytes of headers, at most %zu are allowed", size,
                            TB_LOG_HEADER_BYTES_MAX);
    return TB_OK;
}

enum tb_code tb_headers_encode(struct tb_buf *buf, const struct tb_header *headers, size_t count,
                               struct tb_error *err)
{
    tb_buf_clear(buf);
    TB_TRY(tb_headers_check(headers, count, err));
    for (size_t i = 0; i < count; i++) {
        const struct tb_header *header = &headers[i];
        unsigned char prefix[PREFIX_SIZE];

        put_prefix(prefix, header->name.len,
                   header->value.ptr ? (uint32_t)header->value.len : VALUE_ABSENT);
        tb_buf_add(buf, prefix, sizeof prefix);
        tb_buf_add_str(buf, header->name);
        tb_buf_add_str(buf, header->value);
    }
    if (!tb_buf_ok(buf))
        return tb_error_set(err, TB_UNAVAILABLE, "out of memory");
    return TB_OK;
}

static struct tb_str take(struct tb_str *rest, size_t len)
{
    struct tb_str head = {rest->ptr, len};

    rest->ptr += len;
    rest->len -= len;
    return head;
}

static bool decode_one(struct tb_str *rest, struct tb_header *ret_header)
{
    const unsigned char *p = (const unsigned char *)rest->ptr;
    size_t name_len;
    uint32_t value_len = 0;

    if (rest->len < PREFIX_SIZE)
        return false;
    name_len = (size_t)p[0] | (size_t)p[1] << 8;
    for (int i = 0; i < 4; i++)
        value_len |= (uint32_t)p[2 + i] << (8 * i);
    take(rest, PREFIX_SIZE);
    if (rest->len < name_len)
        return false;
    ret_header->name = take(rest, name_len);
    ret_header->value = (struct tb_str){0};
    if (value_len == VALUE_ABSENT)
        return true;
    if (rest->len < value_len)
        return false;
    ret_header->value = take(rest, value_len);
    return true;
}

enum tb_code tb_headers_decode(struct tb_str blob, struct tb_header *ret_headers, size_t max,
                               size_t *ret_count, struct tb_error *err)
{
    size_t count = 0;

    while (blob.len > 0) {
        if (count == max || !decode_one(&blob, &ret_headers[count]))
            return tb_error_set(err, TB_CORRUPT, "the headers of a record are damaged");
        count++;
    }
    *ret_count = count;
    return TB_OK;
}
