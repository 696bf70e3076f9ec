#include "sim/mongod.h"
#include "sim/trace.h"
#include <stdio.h>
#include <stdlib.h>

#define LATE_MOST_US UINT64_C(6000000)

struct mongod_late {
    struct mongod_late *next;
    int64_t due_us;
    struct mongod_collection *collection;
    struct mongod_write write;
    bson_t *filter, *document; /* owned; NULL: none */
};

struct mongod *mongod_now;

void mongod_init(struct mongod *mongod, uint64_t seed, int64_t *now_us,
                 const struct mongod_hooks *hooks)
{
    *mongod = (struct mongod){.now_us = now_us, .hooks = *hooks};
    fake_random_init(&mongod->random, seed);
    mongod_now = mongod;
}

static void drop_document(struct mongod_document *document)
{
    free(document->id);
    bson_destroy(document->doc);
    if (document->before)
        bson_destroy(document->before);
}

static void drop_late(struct mongod *mongod)
{
    struct mongod_late *late = mongod->late;

    mongod->late = late->next;
    if (late->filter)
        bson_destroy(late->filter);
    if (late->document)
        bson_destroy(late->document);
    free(late);
}

void mongod_release(struct mongod *mongod)
{
    for (size_t c = 0; c < mongod->collection_count; c++) {
        struct mongod_collection *collection = &mongod->collections[c];

        for (size_t i = 0; i < collection->count; i++)
            drop_document(&collection->list[i]);
        free(collection->list);
    }
    mongod_drop_late(mongod);
    mongod_now = NULL;
}

void mongod_drop_late(struct mongod *mongod)
{
    while (mongod->late)
        drop_late(mongod);
}

struct mongod_collection *mongod_collection(struct mongod *mongod, const char *name)
{
    struct mongod_collection *collection;

    for (size_t i = 0; i < mongod->collection_count; i++)
        if (strcmp(mongod->collections[i].name, name) == 0)
            return &mongod->collections[i];
    TB_ASSERT(mongod->collection_count < MONGOD_COLLECTIONS_MAX);
    collection = &mongod->collections[mongod->collection_count++];
    snprintf(collection->name, sizeof collection->name, "%s", name);
    return collection;
}

static struct mongod_document *by_id(const struct mongod_collection *collection, const char *id)
{
    for (size_t i = 0; i < collection->count; i++)
        if (strcmp(collection->list[i].id, id) == 0)
            return &collection->list[i];
    return NULL;
}

const bson_t *mongod_get(struct mongod *mongod, const char *collection, const char *id)
{
    const struct mongod_document *found = by_id(mongod_collection(mongod, collection), id);

    return found ? found->doc : NULL;
}

static const char *id_of(const bson_t *doc)
{
    bson_iter_t iter;

    TB_ASSERT(bson_iter_init_find(&iter, doc, "_id") && BSON_ITER_HOLDS_UTF8(&iter));
    return bson_iter_utf8(&iter, NULL);
}

/* A secondary goes on having what it has, or gets what the primary had until now. */
static void set_before(const struct mongod *mongod, struct mongod_document *document)
{
    if (*mongod->now_us - document->changed_us < MONGOD_LAG_US) {
        bson_destroy(document->doc);
        return;
    }
    if (document->before)
        bson_destroy(document->before);
    document->before = document->doc;
    document->changed_us = *mongod->now_us;
}

/* Takes ownership of the document. */
static int put(struct mongod *mongod, struct mongod_collection *collection,
               struct mongod_document *place, bson_t *doc)
{
    const struct mongod_hooks *hooks = &mongod->hooks;

    if (hooks->refuses(hooks->ctx, collection->name, doc)) {
        bson_destroy(doc);
        return 121; /* DocumentValidationFailure */
    }
    hooks->on_write(hooks->ctx, collection->name, place ? place->doc : NULL, doc);
    if (place) {
        set_before(mongod, place);
        place->doc = doc;
        return 0;
    }
    if (collection->count == collection->cap) {
        collection->cap = collection->cap ? 2 * collection->cap : 32;
        collection->list = realloc(collection->list, collection->cap * sizeof *collection->list);
        TB_ASSERT(collection->list);
    }
    collection->list[collection->count++] = (struct mongod_document){
        .id = strdup(id_of(doc)), .doc = doc, .changed_us = *mongod->now_us};
    return 0;
}

static int insert(struct mongod *mongod, struct mongod_collection *collection, bson_t *doc)
{
    if (!by_id(collection, id_of(doc)))
        return put(mongod, collection, NULL, doc);
    bson_destroy(doc);
    return MONGOD_DUPLICATE_KEY;
}

/* A replacement without _id gets the filter's. */
static bson_t *replacement(const struct mongod_write *write)
{
    bson_t *doc = bson_new();

    if (!bson_has_field(write->document, "_id"))
        BSON_APPEND_UTF8(doc, "_id", mongod_filter_id(write->filter));
    bson_concat(doc, write->document);
    return doc;
}

static bson_t *changed(const struct mongod_write *write, const bson_t *old)
{
    if (write->kind == MONGOD_REPLACE)
        return replacement(write);
    return mongod_updated(old, write->filter, write->document);
}

/* Changes one document by its _id, which all of the product's filters contain. */
static int change(struct mongod *mongod, struct mongod_collection *collection,
                  const struct mongod_write *write, bool *ret_matched)
{
    const char *id = mongod_filter_id(write->filter);
    struct mongod_document *found;

    TB_ASSERT(id);
    found = by_id(collection, id);
    if (found && mongod_matches(found->doc, write->filter)) {
        *ret_matched = true;
        return put(mongod, collection, found, changed(write, found->doc));
    }
    if (!write->upsert)
        return 0;
    return insert(mongod, collection, changed(write, NULL));
}

static int64_t remove_matching(struct mongod_collection *collection, const bson_t *filter)
{
    size_t kept = 0, count = collection->count;

    for (size_t i = 0; i < count; i++) {
        if (mongod_matches(collection->list[i].doc, filter))
            drop_document(&collection->list[i]);
        else
            collection->list[kept++] = collection->list[i];
    }
    collection->count = kept;
    return (int64_t)(count - kept);
}

int mongod_write(struct mongod *mongod, struct mongod_collection *collection,
                 const struct mongod_write *write, bool *ret_matched, int64_t *ret_removed)
{
    switch (write->kind) {
    case MONGOD_INSERT:
        return insert(mongod, collection, bson_copy(write->document));
    case MONGOD_REPLACE:
    case MONGOD_UPDATE:
        return change(mongod, collection, write, ret_matched);
    case MONGOD_REMOVE:
        *ret_removed = remove_matching(collection, write->filter);
        return 0;
    }
    return 0;
}

/* Late writes. */

void mongod_write_late(struct mongod *mongod, struct mongod_collection *collection,
                       const struct mongod_write *write)
{
    struct mongod_late *late = calloc(1, sizeof *late), **link = &mongod->late;

    TB_ASSERT(late);
    late->due_us = *mongod->now_us + (int64_t)fake_random_below(&mongod->random, LATE_MOST_US);
    late->collection = collection;
    late->filter = write->filter ? bson_copy(write->filter) : NULL;
    late->document = write->document ? bson_copy(write->document) : NULL;
    late->write = *write;
    late->write.filter = late->filter;
    late->write.document = late->document;
    while (*link && (*link)->due_us <= late->due_us)
        link = &(*link)->next;
    late->next = *link;
    *link = late;
}

int64_t mongod_due_us(const struct mongod *mongod)
{
    return mongod->late ? mongod->late->due_us : INT64_MAX;
}

void mongod_apply_late_now(struct mongod *mongod)
{
    for (struct mongod_late *late = mongod->late; late; late = late->next)
        late->due_us = *mongod->now_us;
    mongod_step(mongod);
}

void mongod_step(struct mongod *mongod)
{
    while (mongod->late && mongod->late->due_us <= *mongod->now_us) {
        bool matched = false;
        int64_t removed = 0;

        sim_cover(COVER_MONGOD_LATE, 1);
        (void)mongod_write(mongod, mongod->late->collection, &mongod->late->write, &matched,
                           &removed);
        drop_late(mongod);
    }
}

bool mongod_is_idle(const struct mongod *mongod)
{
    return mongod->late == NULL;
}
