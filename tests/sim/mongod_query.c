#include "sim/mongod.h"
#include <stdlib.h>

static bool number_of(const bson_iter_t *iter, int64_t *ret_number)
{
    switch (bson_iter_type(iter)) {
    case BSON_TYPE_INT32:
    case BSON_TYPE_INT64:
        *ret_number = bson_iter_as_int64(iter);
        return true;
    case BSON_TYPE_DATE_TIME:
        *ret_number = bson_iter_date_time(iter);
        return true;
    case BSON_TYPE_BOOL:
        *ret_number = bson_iter_bool(iter);
        return true;
    default:
        return false;
    }
}

/* Both values must be texts, or both numbers, dates or booleans: the product compares nothing
 * else. */
int mongod_compare(const bson_iter_t *a, const bson_iter_t *b)
{
    int64_t x = 0, y = 0;

    if (BSON_ITER_HOLDS_UTF8(a) && BSON_ITER_HOLDS_UTF8(b))
        return strcmp(bson_iter_utf8(a, NULL), bson_iter_utf8(b, NULL));
    TB_ASSERT(number_of(a, &x) && number_of(b, &y));
    return x < y ? -1 : x > y;
}

static bool is_in(const bson_iter_t *value, const bson_iter_t *list)
{
    bson_iter_t one;

    TB_ASSERT(bson_iter_recurse(list, &one));
    while (bson_iter_next(&one))
        if (mongod_compare(value, &one) == 0)
            return true;
    return false;
}

/* value: NULL if the field is missing. */
static bool meets(const bson_iter_t *value, const bson_iter_t *op)
{
    const char *name = bson_iter_key(op);

    if (strcmp(name, "$exists") == 0)
        return bson_iter_as_bool(op) == (value != NULL);
    if (!value)
        return false;
    if (strcmp(name, "$in") == 0)
        return is_in(value, op);
    if (strcmp(name, "$lt") == 0)
        return mongod_compare(value, op) < 0;
    if (strcmp(name, "$lte") == 0)
        return mongod_compare(value, op) <= 0;
    if (strcmp(name, "$gt") == 0)
        return mongod_compare(value, op) > 0;
    if (strcmp(name, "$gte") == 0)
        return mongod_compare(value, op) >= 0;
    TB_ASSERT(!"the simulated database knows the operator");
    return false;
}

static bool meets_all(const bson_iter_t *value, const bson_iter_t *condition)
{
    bson_iter_t op;

    if (BSON_ITER_HOLDS_NULL(condition))
        return !value;
    if (!BSON_ITER_HOLDS_DOCUMENT(condition))
        return value && mongod_compare(value, condition) == 0;
    TB_ASSERT(bson_iter_recurse(condition, &op));
    while (bson_iter_next(&op))
        if (!meets(value, &op))
            return false;
    return true;
}

static bool meets_any(const bson_t *doc, const bson_iter_t *filters)
{
    bson_iter_t one;

    TB_ASSERT(bson_iter_recurse(filters, &one));
    while (bson_iter_next(&one)) {
        const uint8_t *bytes;
        uint32_t len;
        bson_t filter;

        bson_iter_document(&one, &len, &bytes);
        TB_ASSERT(bson_init_static(&filter, bytes, len));
        if (mongod_matches(doc, &filter))
            return true;
    }
    return false;
}

bool mongod_matches(const bson_t *doc, const bson_t *filter)
{
    bson_iter_t condition, value;

    TB_ASSERT(bson_iter_init(&condition, filter));
    while (bson_iter_next(&condition)) {
        const char *key = bson_iter_key(&condition);
        bool ok =
            strcmp(key, "$or") == 0
                ? meets_any(doc, &condition)
                : meets_all(bson_iter_init_find(&value, doc, key) ? &value : NULL, &condition);

        if (!ok)
            return false;
    }
    return true;
}

const char *mongod_filter_id(const bson_t *filter)
{
    bson_iter_t iter;

    if (!bson_iter_init_find(&iter, filter, "_id") || !BSON_ITER_HOLDS_UTF8(&iter))
        return NULL;
    return bson_iter_utf8(&iter, NULL);
}

static const bson_t *sorted_by; /* for qsort, which passes no context */

static int in_order(const void *a, const void *b)
{
    const bson_t *x = *(const bson_t *const *)a, *y = *(const bson_t *const *)b;
    bson_iter_t key, left, right;

    TB_ASSERT(bson_iter_init(&key, sorted_by));
    while (bson_iter_next(&key)) {
        bool has_left = bson_iter_init_find(&left, x, bson_iter_key(&key));
        bool has_right = bson_iter_init_find(&right, y, bson_iter_key(&key));
        int order = has_left && has_right ? mongod_compare(&left, &right) : has_left - has_right;

        if (order != 0)
            return bson_iter_as_int64(&key) < 0 ? -order : order;
    }
    return 0;
}

static void sort(bson_t **list, size_t count, const bson_iter_t *keys)
{
    const uint8_t *bytes;
    uint32_t len;
    bson_t by;

    bson_iter_document(keys, &len, &bytes);
    TB_ASSERT(bson_init_static(&by, bytes, len));
    sorted_by = &by;
    qsort(list, count, sizeof *list, in_order);
    sorted_by = NULL;
}

const bson_t *mongod_document_at(const struct mongod_document *document, bool at_secondary)
{
    bool lags = at_secondary && *mongod_now->now_us - document->changed_us < MONGOD_LAG_US;

    return lags ? document->before : document->doc;
}

bson_t **mongod_find(const struct mongod_collection *collection, bool at_secondary,
                     const bson_t *filter, const bson_t *opts, size_t *ret_count)
{
    bson_t **found = calloc(collection->count + 1, sizeof(bson_t *));
    size_t count = 0, limit = SIZE_MAX;
    bson_iter_t iter;

    TB_ASSERT(found);
    for (size_t i = 0; i < collection->count; i++) {
        const bson_t *doc = mongod_document_at(&collection->list[i], at_secondary);

        if (doc && mongod_matches(doc, filter))
            found[count++] = bson_copy(doc);
    }
    if (opts && bson_iter_init_find(&iter, opts, "sort"))
        sort(found, count, &iter);
    if (opts && bson_iter_init_find(&iter, opts, "limit") && bson_iter_as_int64(&iter) > 0)
        limit = (size_t)bson_iter_as_int64(&iter);
    for (; count > limit; count--)
        bson_destroy(found[count - 1]);
    *ret_count = count;
    return found;
}
