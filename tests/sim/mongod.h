/* A simulated MongoDB in memory. It replaces the functions of libmongoc that the product calls
 * (mongod_driver.c defines them, and the linker prefers an executable's own). So all of
 * src/query/mongo runs; the driver with its timeouts and retries does not.
 *
 * All writes that survive form one history. Reads that do not ask for the primary see it
 * MONGOD_LAG_US late. A client may get no answer about its write, or an
 * error although the write is done, and a write that a client gave up may take effect later.
 *
 *   mongod.c          collections, writes, late writes
 *   mongod_query.c    filters and sorting
 *   mongod_update.c   $set, $inc and other update operators
 *   mongod_driver.c   mongoc_*: clients, finds, faults
 *   mongod_bulk.c     mongoc_bulk_*
 *
 * Thread:  one; there is one database at a time.
 * Memory:  a document lives until the next write to it, or mongod_release.
 * Errors:  the server's codes: 0 done, 11000 duplicate key.
 * Units:   virtual microseconds (_us). */
#pragma once
#include "support/support.h"
#include <bson/bson.h>

#define MONGOD_CLIENTS_MAX 4
#define MONGOD_COLLECTIONS_MAX 9
#define MONGOD_DUPLICATE_KEY 11000
/* A secondary has a write so much later than the primary. */
#define MONGOD_LAG_US INT64_C(20000000)

struct mongod_document {
    char *id;    /* owned */
    bson_t *doc; /* owned */
    /* What a secondary has of it for MONGOD_LAG_US more; owned; NULL: nothing. */
    bson_t *before;
    int64_t changed_us;
};
struct mongod_collection {
    char name[64];
    struct mongod_document *list; /* owned, in order of insertion */
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
    /* Called before a document is stored. old: the one it replaces; NULL: it is new. */
    void (*on_write)(void *ctx, const char *collection, const bson_t *old, const bson_t *doc);
    /* A client waits this long for an answer: others must have their turns. */
    void (*on_wait)(void *ctx, int client, int64_t us);
    /* Whether the server rejects the document for good. The answer for one document never
     * changes. */
    bool (*refuses)(void *ctx, const char *collection, const bson_t *doc);
};
/* Deliberate errors of the simulated driver (enum sim_mutant). */
enum mongod_mutant {
    MONGOD_SOUND,
    MONGOD_NO_VERSION_CHECK, /* an order is replaced whatever its version */
    MONGOD_FATAL_DUPLICATE,  /* a duplicate key of an order is reported as a permanent error */
    MONGOD_STALE_READS       /* every read is from a secondary */
};
struct mongod {
    struct fake_random random;
    int64_t *now_us;
    struct mongod_hooks hooks;
    enum mongod_mutant mutant;
    bool unreliable; /* calls fail, before or after they took effect */
    bool down;
    bool cut[MONGOD_CLIENTS_MAX];
    struct mongod_collection collections[MONGOD_COLLECTIONS_MAX];
    size_t collection_count;
    struct mongod_late *late;
};

void mongod_init(struct mongod *mongod, uint64_t seed, int64_t *now_us,
                 const struct mongod_hooks *hooks);
void mongod_release(struct mongod *mongod);
int64_t mongod_due_us(const struct mongod *mongod); /* when the next late write is due */
void mongod_step(struct mongod *mongod);
void mongod_apply_late_now(struct mongod *mongod); /* late writes take effect now */
void mongod_drop_late(struct mongod *mongod);      /* late writes never take effect */
bool mongod_is_idle(const struct mongod *mongod);

struct mongod_collection *mongod_collection(struct mongod *mongod, const char *name);
const bson_t *mongod_get(struct mongod *mongod, const char *collection, const char *id);
/* Returns 0 or the server's error code. *ret_matched: the filter found a document. */
int mongod_write(struct mongod *mongod, struct mongod_collection *collection,
                 const struct mongod_write *write, bool *ret_matched, int64_t *ret_removed);
void mongod_write_late(struct mongod *mongod, struct mongod_collection *collection,
                       const struct mongod_write *write);

/* mongod_query.c */
bool mongod_matches(const bson_t *doc, const bson_t *filter);
/* The document as the primary has it, or a secondary; NULL: the secondary has none yet. */
const bson_t *mongod_document_at(const struct mongod_document *document, bool at_secondary);
/* Copies of the documents that match, with the sort and limit of opts; projections are ignored.
 * The caller frees the documents and the array. */
bson_t **mongod_find(const struct mongod_collection *collection, bool at_secondary,
                     const bson_t *filter, const bson_t *opts, size_t *ret_count);
/* The _id in the filter; NULL: there is none. */
const char *mongod_filter_id(const bson_t *filter);
int mongod_compare(const bson_iter_t *a, const bson_iter_t *b);

/* mongod_update.c: the document after the update. old: NULL, an upsert makes it from filter and
 * update. */
bson_t *mongod_updated(const bson_t *old, const bson_t *filter, const bson_t *update);

extern struct mongod *mongod_now;
