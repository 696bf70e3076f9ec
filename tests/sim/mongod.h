/* The simulated document database: what the MongoDB view needs of a server, in memory, behind the
 * driver's own functions (mongod_driver.c stands in for them at link time). So all of the view's
 * code runs (view_mongo*.c); what is not under it is the driver, its time-outs and its retries.
 *
 * There is one history of writes that survive; a client may not be told of its part in it, or be
 * told wrongly that it failed, and a write whose client gave it up may take effect later.
 *
 *   mongod.c         collections, writes, what happens late
 *   mongod_query.c   filters and sorting
 *   mongod_update.c  $set and its like
 *   mongod_driver.c  mongoc_...: pools, finds, and what goes wrong on the way
 *   mongod_bulk.c    mongoc_bulk_...
 *
 * Thread:  one; there is one database at a time.
 * Memory:  documents live until the next write of theirs, or mongod_release.
 * Errors:  the server's codes: 0 done, 11000 duplicate key.
 * Units:   virtual microseconds (_us). */
#pragma once
#include "support/support.h"
#include <bson/bson.h>

#define MONGOD_CLIENTS_MAX 4
#define MONGOD_COLLECTIONS_MAX 8
#define MONGOD_DUPLICATE_KEY 11000

struct mongod_document {
    char *id;    /* owned */
    bson_t *doc; /* owned */
};
struct mongod_collection {
    char name[64];
    struct mongod_document *list; /* owned, as they came */
    size_t count, cap;
};
struct mongod_write {
    enum { MONGOD_INSERT, MONGOD_REPLACE, MONGOD_UPDATE, MONGOD_REMOVE } kind;
    bool upsert;
    const bson_t *filter, *document;
};
/* A write that takes effect after its client gave it up. */
struct mongod_late;
struct mongod_hooks {
    void *ctx;
    /* Before the document takes the old one's place; old: NULL, it is new. */
    void (*on_write)(void *ctx, const char *collection, const bson_t *old, const bson_t *doc);
    /* A client waits for an answer, and so much time goes by for everybody else. */
    void (*on_wait)(void *ctx, int client, int64_t us);
    /* Will the server never take this document? It is always the same answer. */
    bool (*refuses)(void *ctx, const char *collection, const bson_t *doc);
};
/* A mutant: what the driver's port does wrong (sim.h). */
enum mongod_mutant {
    MONGOD_SOUND,
    MONGOD_NO_VERSION_CHECK, /* replaces an order whatever its version */
    MONGOD_FATAL_DUPLICATE   /* a duplicate key of an order is said to be refused for good */
};
struct mongod {
    struct fake_random random;
    int64_t *now_us;
    struct mongod_hooks hooks;
    enum mongod_mutant mutant;
    bool unreliable; /* calls fail, before or after the fact */
    bool down;
    bool cut[MONGOD_CLIENTS_MAX];
    struct mongod_collection collections[MONGOD_COLLECTIONS_MAX];
    size_t collection_count;
    struct mongod_late *late;
};

void mongod_init(struct mongod *mongod, uint64_t seed, int64_t *now_us,
                 const struct mongod_hooks *hooks);
void mongod_release(struct mongod *mongod);
int64_t mongod_due_us(const struct mongod *mongod); /* of what happens next by itself */
void mongod_step(struct mongod *mongod);
void mongod_apply_late_now(struct mongod *mongod); /* what is late takes effect now */
bool mongod_is_idle(const struct mongod *mongod);

struct mongod_collection *mongod_collection(struct mongod *mongod, const char *name);
const bson_t *mongod_get(struct mongod *mongod, const char *collection, const char *id);
/* 0, or why not. *ret_matched: it found what it was to change. */
int mongod_write(struct mongod *mongod, struct mongod_collection *collection,
                 const struct mongod_write *write, bool *ret_matched, int64_t *ret_removed);
void mongod_write_late(struct mongod *mongod, struct mongod_collection *collection,
                       const struct mongod_write *write);

/* mongod_query.c */
bool mongod_matches(const bson_t *doc, const bson_t *filter);
/* Copies of what the filter finds, as opts' sort and limit want them; projections are not made.
 * The caller frees them and the list. */
bson_t **mongod_find(const struct mongod_collection *collection, const bson_t *filter,
                     const bson_t *opts, size_t *ret_count);
/* The id of a filter by _id alone or among others; NULL: it has none. */
const char *mongod_filter_id(const bson_t *filter);
int mongod_compare(const bson_iter_t *a, const bson_iter_t *b);

/* mongod_update.c: the document after the update; old: NULL, it is made of filter and update. */
bson_t *mongod_updated(const bson_t *old, const bson_t *filter, const bson_t *update);

extern struct mongod *mongod_now;
