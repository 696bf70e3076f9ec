#include "sim/mongod.h"

/* Each operator takes ownership of the document and returns the changed one. */

static bson_t *without(bson_t *doc, const char *key)
{
    bson_t *rest = bson_new();
    bson_iter_t iter;

    TB_ASSERT(bson_iter_init(&iter, doc));
    while (bson_iter_next(&iter))
        if (strcmp(bson_iter_key(&iter), key) != 0)
            TB_ASSERT(bson_append_iter(rest, NULL, 0, &iter));
    bson_destroy(doc);
    return rest;
}

static bson_t *set(bson_t *doc, const bson_iter_t *field)
{
    doc = without(doc, bson_iter_key(field));
    TB_ASSERT(bson_append_iter(doc, NULL, 0, field));
    return doc;
}

static bson_t *raise(bson_t *doc, const bson_iter_t *field)
{
    bson_iter_t now;

    if (bson_iter_init_find(&now, doc, bson_iter_key(field)) && mongod_compare(&now, field) >= 0)
        return doc;
    return set(doc, field);
}

static bson_t *increase(bson_t *doc, const bson_iter_t *field)
{
    const char *key = bson_iter_key(field);
    int64_t sum = bson_iter_as_int64(field);
    bson_iter_t now;

    if (bson_iter_init_find(&now, doc, key))
        sum += bson_iter_as_int64(&now);
    doc = without(doc, key);
    BSON_APPEND_INT64(doc, key, sum);
    return doc;
}

static bool has(const bson_t *list, const bson_iter_t *value)
{
    bson_iter_t one;

    TB_ASSERT(bson_iter_init(&one, list));
    while (bson_iter_next(&one))
        if (mongod_compare(&one, value) == 0)
            return true;
    return false;
}

static void add_each(bson_t *list, uint32_t *count, const bson_iter_t *from)
{
    bson_iter_t one;
    char room[16];
    const char *key;

    TB_ASSERT(bson_iter_recurse(from, &one));
    while (bson_iter_next(&one)) {
        if (has(list, &one))
            continue;
        bson_uint32_to_string((*count)++, &key, room, sizeof room);
        TB_ASSERT(bson_append_iter(list, key, -1, &one));
    }
}

/* {key: {$each: [...]}} */
static bson_t *add_to_set(bson_t *doc, const bson_iter_t *field)
{
    const char *key = bson_iter_key(field);
    bson_t list = BSON_INITIALIZER;
    uint32_t count = 0;
    bson_iter_t now, each;

    if (bson_iter_init_find(&now, doc, key))
        add_each(&list, &count, &now);
    TB_ASSERT(bson_iter_recurse(field, &each) && bson_iter_find(&each, "$each"));
    add_each(&list, &count, &each);
    doc = without(doc, key);
    BSON_APPEND_ARRAY(doc, key, &list);
    bson_destroy(&list);
    return doc;
}

/* {key: [...]} */
static bson_t *pull_all(bson_t *doc, const bson_iter_t *field)
{
    bson_t list = BSON_INITIALIZER, removed;
    uint32_t count = 0, len;
    const uint8_t *bytes;
    bson_iter_t now, one;
    char room[16];
    const char *key;

    bson_iter_array(field, &len, &bytes);
    TB_ASSERT(bson_init_static(&removed, bytes, len));
    if (!bson_iter_init_find(&now, doc, bson_iter_key(field)))
        return doc;
    TB_ASSERT(bson_iter_recurse(&now, &one));
    while (bson_iter_next(&one)) {
        if (has(&removed, &one))
            continue;
        bson_uint32_to_string(count++, &key, room, sizeof room);
        TB_ASSERT(bson_append_iter(&list, key, -1, &one));
    }
    doc = without(doc, bson_iter_key(field));
    BSON_APPEND_ARRAY(doc, bson_iter_key(field), &list);
    bson_destroy(&list);
    return doc;
}

static bson_t *apply(bson_t *doc, bool is_new, const char *op, const bson_iter_t *field)
{
    if (strcmp(op, "$set") == 0)
        return set(doc, field);
    if (strcmp(op, "$setOnInsert") == 0)
        return is_new ? set(doc, field) : doc;
    if (strcmp(op, "$unset") == 0)
        return without(doc, bson_iter_key(field));
    if (strcmp(op, "$max") == 0)
        return raise(doc, field);
    if (strcmp(op, "$inc") == 0)
        return increase(doc, field);
    if (strcmp(op, "$addToSet") == 0)
        return add_to_set(doc, field);
    if (strcmp(op, "$pullAll") == 0)
        return pull_all(doc, field);
    TB_ASSERT(!"the simulated database knows the update");
    return doc;
}

bson_t *mongod_updated(const bson_t *old, const bson_t *filter, const bson_t *update)
{
    bson_t *doc = old ? bson_copy(old) : bson_new();
    bson_iter_t op, field;

    if (!old)
        BSON_APPEND_UTF8(doc, "_id", mongod_filter_id(filter));
    TB_ASSERT(bson_iter_init(&op, update));
    while (bson_iter_next(&op)) {
        TB_ASSERT(bson_iter_recurse(&op, &field));
        while (bson_iter_next(&field))
            doc = apply(doc, old == NULL, bson_iter_key(&op), &field);
    }
    return doc;
}
