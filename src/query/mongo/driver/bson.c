#include "query/mongo/driver/bson.h"

enum tb_code tb_mongo_no_memory(struct tb_error *err)
{
    return tb_error_set(err, TB_INTERNAL, "out of memory building a document");
}

static void note(struct tb_bson_writer out, bool appended)
{
    if (!appended)
        *out.failed = true;
}

void tb_bson_put_str(struct tb_bson_writer out, const char *key, struct tb_str value)
{
    if (value.ptr)
        note(out, value.len <= INT32_MAX &&
                      bson_append_utf8(out.doc, key, -1, value.ptr, (int)value.len));
}

void tb_bson_put_text(struct tb_bson_writer out, const char *key, const char *value)
{
    tb_bson_put_str(out, key, tb_str_of(value));
}

void tb_bson_put_int(struct tb_bson_writer out, const char *key, int64_t value)
{
    note(out, bson_append_int64(out.doc, key, -1, value));
}

void tb_bson_put_sum(struct tb_bson_writer out, const char *key, tb_sum value)
{
    bson_decimal128_t decimal;
    char text[TB_SUM_SIZE];
    int64_t number = 0;

    if (tb_sum_int64(value, &number)) {
        tb_bson_put_int(out, key, number);
        return;
    }
    tb_sum_format(value, text);
    note(out, bson_decimal128_from_string(text, &decimal) &&
                  bson_append_decimal128(out.doc, key, -1, &decimal));
}

void tb_bson_put_bool(struct tb_bson_writer out, const char *key, bool value)
{
    note(out, bson_append_bool(out.doc, key, -1, value));
}

void tb_bson_put_time(struct tb_bson_writer out, const char *key, int64_t time_ms)
{
    note(out, bson_append_date_time(out.doc, key, -1, time_ms));
}

void tb_bson_put_bytes(struct tb_bson_writer out, const char *key, struct tb_str value)
{
    if (value.ptr)
        note(out, value.len <= TB_MONGO_DOCUMENT_MAX &&
                      bson_append_binary(out.doc, key, -1, BSON_SUBTYPE_BINARY,
                                         (const uint8_t *)value.ptr, (uint32_t)value.len));
}

struct tb_bson_writer tb_bson_open(struct tb_bson_writer out, const char *key, bson_t *inner)
{
    note(out, bson_append_document_begin(out.doc, key, -1, inner));
    return (struct tb_bson_writer){inner, out.failed};
}

struct tb_bson_writer tb_bson_open_array(struct tb_bson_writer out, const char *key, bson_t *inner)
{
    note(out, bson_append_array_begin(out.doc, key, -1, inner));
    return (struct tb_bson_writer){inner, out.failed};
}

void tb_bson_close(struct tb_bson_writer out, struct tb_bson_writer inner)
{
    note(out, bson_append_document_end(out.doc, inner.doc));
}

void tb_bson_close_array(struct tb_bson_writer out, struct tb_bson_writer inner)
{
    note(out, bson_append_array_end(out.doc, inner.doc));
}

const char *tb_bson_index_key(size_t index, char scratch[16])
{
    const char *key = NULL;

    bson_uint32_to_string((uint32_t)index, &key, scratch, 16);
    return key;
}

void tb_bson_free(bson_t **doc)
{
    if (*doc)
        bson_destroy(*doc);
    *doc = NULL;
}

struct tb_str tb_bson_get_str(const bson_iter_t *iter)
{
    uint32_t len = 0;
    const char *text;

    if (!BSON_ITER_HOLDS_UTF8(iter))
        return (struct tb_str){0};
    text = bson_iter_utf8(iter, &len);
    return (struct tb_str){text, len};
}

int64_t tb_bson_get_int(const bson_iter_t *iter)
{
    if (BSON_ITER_HOLDS_INT64(iter))
        return bson_iter_int64(iter);
    return BSON_ITER_HOLDS_INT32(iter) ? bson_iter_int32(iter) : 0;
}

tb_sum tb_bson_get_sum(const bson_iter_t *iter)
{
    char text[BSON_DECIMAL128_STRING];
    bson_decimal128_t decimal;
    tb_sum sum = 0;

    if (!BSON_ITER_HOLDS_DECIMAL128(iter) || !bson_iter_decimal128(iter, &decimal))
        return tb_bson_get_int(iter);
    bson_decimal128_to_string(&decimal, text);
    return tb_sum_parse(tb_str_of(text), &sum) ? sum : 0;
}

void tb_bson_get_text(const bson_iter_t *iter, char *ret_text, size_t size)
{
    struct tb_str text = tb_bson_get_str(iter);

    if (!text.ptr || text.len >= size)
        text = TB_STR("");
    memcpy(ret_text, text.ptr, text.len);
    ret_text[text.len] = '\0';
}

int64_t tb_bson_find_int(const bson_t *doc, const char *key)
{
    bson_iter_t iter;

    return bson_iter_init_find(&iter, doc, key) ? tb_bson_get_int(&iter) : 0;
}
