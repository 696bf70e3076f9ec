#include "query/mongo/fleet/documents.h"
#include <stdlib.h>

/* A relay sends at most TB_LOG_INFLIGHT_MAX events again. That many chunks are kept, so that the
 * fingerprint of a sequence that arrives again can be compared with the first one. */
#define KEPT_CHUNKS (TB_LOG_INFLIGHT_MAX / TB_SEQUENCE_CHUNK_SIZE + 2)
/* At most this many chunks are counted in one go; the rest when the next chunk becomes full. */
#define COUNTED_AT_ONCE 1000

/* Updates the document with that id; frees the update. */
static enum tb_code update(const struct tb_mongo_client *client, const char *collection,
                           const char *id, bson_t *update, struct tb_error *err)
{
    struct tb_mongo_op op = {
        .kind = TB_MONGO_UPSERT, .filter = BCON_NEW("_id", BCON_UTF8(id)), .document = update};
    enum tb_code code = tb_mongo_upsert_sequences(client, collection, &op, 1, err);

    tb_mongo_ops_clear(&op, 1);
    return code;
}

/* *count chunks are full: adds the full ones that follow them without a hole. */
static enum tb_code count_full(const struct tb_mongo_client *client, const char *collection,
                               const struct tb_plan_origin *origin, int64_t *count,
                               struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free)
    bson_t *filter = tb_mongo_full_chunks_filter(origin->node.ptr, origin->epoch, *count);
    TB_CLEANUP(tb_bson_free)
    bson_t *opts = BCON_NEW("projection", "{", "chunk", BCON_INT32(1), "}", "sort", "{", "chunk",
                            BCON_INT32(1), "}", "limit", BCON_INT64(COUNTED_AT_ONCE));
    const bson_t *doc;
    bson_iter_t iter;

    tb_mongo_find(&cursor, client, collection, filter, opts);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        if (bson_iter_init_find(&iter, doc, "chunk") && tb_bson_get_int(&iter) == *count)
            ++*count;
    }
    return tb_mongo_cursor_end(&cursor, "counting chunks", err);
}

/* Removes chunks that are counted and whose events no relay sends again. The count is confirmed
 * before this, so that a crash in between leaves only chunks that are not needed. */
static enum tb_code remove_counted(const struct tb_mongo_client *client, const char *collection,
                                   const struct tb_plan_origin *origin, int64_t count,
                                   struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free)
    bson_t *filter =
        BCON_NEW("node", BCON_UTF8(origin->node.ptr), "epoch", BCON_UTF8(origin->epoch), "chunk",
                 "{", "$lt", BCON_INT64(count - KEPT_CHUNKS), "}");
    int64_t removed = 0;

    return tb_mongo_remove(client, collection, filter, &removed, err);
}

static enum tb_code advance(const struct tb_mongo_client *client, const char *collection,
                            const struct tb_plan_origin *origin, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *doc = NULL;
    char id[TB_MONGO_EPOCH_ID_SIZE];
    int64_t before, count;

    tb_mongo_epoch_id(origin, id);
    TB_TRY(tb_mongo_find_one(client, collection, tb_str_of(id), "reading an epoch", &doc, err));
    before = count = doc ? tb_bson_find_int(doc, "fullChunks") : 0;
    TB_TRY(count_full(client, collection, origin, &count, err));
    if (count == before)
        return TB_OK;
    TB_TRY(update(client, collection, id,
                  BCON_NEW("$max", "{", "fullChunks", BCON_INT64(count), "}"), err));
    return remove_counted(client, collection, origin, count, err);
}

/* A document that was just written, as it is now. */
struct marked {
    struct tb_plan_origin origin; /* the sort key; its sequence: the chunk's first; 0: an epoch */
    struct tb_str id;
    int64_t counted;          /* of an epoch: how many chunks at its start are full */
    int64_t complete_through; /* of an epoch; -1: not stored */
    bool ends_chunk; /* of an epoch: that is the end of a chunk, and was stored just now */
    struct tb_sequence_chunk *chunk; /* of a chunk */
    bool filled;                     /* of a chunk: it has just become full */
    int64_t *came;                   /* of a chunk: what is not packed */
    size_t came_count;
    bool forked; /* of a chunk: two events have the same sequence */
};

static bool decode_marked(const bson_t *doc, struct tb_arena *arena, struct marked *ret_marked)
{
    struct tb_mongo_sequences read;
    struct marked marked = {0};
    bson_iter_t iter;

    if (!tb_mongo_sequences_decode(doc, arena, &read) || !bson_iter_init_find(&iter, doc, "_id"))
        return false;
    marked.id = tb_arena_copy(arena, tb_bson_get_str(&iter));
    marked.origin.node = tb_arena_copy(arena, tb_str_of(read.node));
    memcpy(marked.origin.epoch, read.epoch, sizeof read.epoch);
    if (read.chunk >= 0) {
        marked.chunk = tb_arena_alloc(arena, sizeof *marked.chunk);
        if (!marked.chunk)
            return false;
        tb_mongo_sequences_chunk(&read, marked.chunk);
        marked.origin.sequence = marked.chunk->number * TB_SEQUENCE_CHUNK_SIZE + 1;
        marked.filled = !read.full && tb_sequence_chunk_is_full(marked.chunk);
        marked.came = read.came;
        marked.came_count = read.came_count;
        marked.forked = marked.chunk->forked;
    } else {
        marked.counted = read.full_chunks;
        marked.complete_through = read.complete_through;
    }
    *ret_marked = marked;
    return marked.id.ptr && marked.origin.node.ptr;
}

/* Reads them sorted, each epoch before its chunks. */
static enum tb_code read_marked(const struct tb_mongo_client *client, const char *collection,
                                const struct tb_str *ids, size_t id_count, struct tb_arena *arena,
                                struct marked *marked, size_t *ret_count, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = tb_mongo_ids_filter(ids, id_count);
    const bson_t *doc;
    size_t count = 0;

    if (!filter)
        return tb_mongo_no_memory(err);
    tb_mongo_find(&cursor, client, collection, filter, NULL);
    while (count < id_count && (doc = tb_mongo_cursor_next(&cursor)))
        count += decode_marked(doc, arena, &marked[count]);
    TB_TRY(tb_mongo_cursor_end(&cursor, "reading sequences", err));
    qsort(marked, count, sizeof *marked, tb_mongo_compare_origins);
    *ret_count = count;
    return TB_OK;
}

/* Packs a full chunk. Only what was read is removed: an entry that another writer adds meanwhile
 * stays, and is packed with the next batch that meets the chunk. */
static enum tb_code pack_chunk(const struct tb_mongo_client *client, const char *collection,
                               const struct marked *chunk, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *came = bson_new();
    char scratch[16];

    for (size_t i = 0; i < chunk->came_count; i++)
        BSON_APPEND_INT64(came, tb_bson_index_key(i, scratch), chunk->came[i]);
    return update(
        client, collection, chunk->id.ptr,
        BCON_NEW("$set", "{", "full", BCON_BOOL(true), "packed",
                 BCON_BIN(BSON_SUBTYPE_BINARY, chunk->chunk->fingerprints, TB_SEQUENCE_CHUNK_SIZE),
                 "}", "$pullAll", "{", "came", BCON_ARRAY(came), "}"),
        err);
}

static enum tb_code note_chunk(const struct tb_mongo_client *client, const char *collection,
                               const struct marked *chunk, struct tb_error *err)
{
    char id[TB_MONGO_EPOCH_ID_SIZE];

    tb_mongo_epoch_id(&chunk->origin, id);
    if (chunk->forked)
        TB_TRY(update(client, collection, id, BCON_NEW("$max", "{", "forked", BCON_INT64(1), "}"),
                      err));
    if (chunk->chunk && chunk->came_count > 0 && tb_sequence_chunk_is_full(chunk->chunk))
        TB_TRY(pack_chunk(client, collection, chunk, err));
    return TB_OK;
}

/* Reads a chunk that the batch has not written. *ret_found false: none of its sequences arrived.
 */
static enum tb_code read_chunk(const struct tb_mongo_client *client, const char *collection,
                               const struct tb_plan_origin *epoch, int64_t number,
                               struct tb_arena *arena, struct tb_sequence_chunk *ret_chunk,
                               bool *ret_found, struct tb_error *err)
{
    TB_CLEANUP(tb_bson_free) bson_t *doc = NULL;
    struct tb_mongo_sequences read;
    char id[TB_MONGO_CHUNK_ID_SIZE];

    tb_mongo_chunk_id(epoch, number, id);
    TB_TRY(tb_mongo_find_one(client, collection, tb_str_of(id), "reading a chunk", &doc, err));
    *ret_found = doc && tb_mongo_sequences_decode(doc, arena, &read);
    if (*ret_found)
        tb_mongo_sequences_chunk(&read, ret_chunk);
    return TB_OK;
}

/* Finds through which sequence all of the epoch have arrived. marked: its document, and the chunks
 * that the batch has written. They were read after the write, so that of several writers of a
 * chunk the last one sees what all have written. */
static enum tb_code walk_on(const struct tb_mongo_client *client, const char *collection,
                            const struct marked *marked, size_t count, struct tb_arena *arena,
                            int64_t *ret_through, struct tb_error *err)
{
    int64_t through = marked[0].counted * TB_SEQUENCE_CHUNK_SIZE, before;
    bool reads = marked[0].complete_through < 0 || marked[0].ends_chunk;
    struct tb_sequence_chunk read;
    size_t at = 1;

    if (through < marked[0].complete_through)
        through = marked[0].complete_through;
    do {
        int64_t number = tb_sequence_chunk_of(through + 1);
        const struct tb_sequence_chunk *chunk = NULL;
        bool found = false;

        before = through;
        while (at < count && marked[at].chunk->number < number)
            at++;
        if (at < count && marked[at].chunk->number == number)
            chunk = marked[at].chunk;
        else if (reads)
            TB_TRY(read_chunk(client, collection, &marked[0].origin, number, arena, &read, &found,
                              err));
        if (found)
            chunk = &read;
        if (chunk)
            through = tb_sequence_chunk_through(chunk, through + 1);
    } while (through > before);
    *ret_through = through;
    return TB_OK;
}

/* marked: the epoch's document and then its chunks. If events of a removed chunk have arrived
 * again, the chunk is there again and is removed again. */
static enum tb_code compact_epoch(const struct tb_mongo_client *client, const char *collection,
                                  struct marked *marked, size_t count, struct tb_error *err)
{
    const struct tb_plan_origin *epoch = &marked[0].origin;
    int64_t counted = marked[0].counted;
    bool came_back = false, filled = false;

    for (size_t i = 0; i < count; i++) {
        int64_t sequence = marked[i].origin.sequence;

        if (sequence > 0 && tb_sequence_chunk_of(sequence) < counted - KEPT_CHUNKS) {
            came_back = true;
            marked[i].filled = false;
            marked[i].came_count = 0; /* it is removed below */
        }
        TB_TRY(note_chunk(client, collection, &marked[i], err));
        filled = filled || marked[i].filled;
    }
    if (filled)
        TB_TRY(advance(client, collection, epoch, err));
    return came_back ? remove_counted(client, collection, epoch, counted, err) : TB_OK;
}

/* Adds the op that says how far the epoch is complete, if that is further than before. It is
 * written together with those of the batch's other epochs. */
static enum tb_code note_through(const struct tb_mongo_client *client, const char *collection,
                                 struct marked *marked, size_t count, struct tb_arena *arena,
                                 struct tb_mongo_op *ops, size_t *op_count, struct tb_error *err)
{
    char id[TB_MONGO_EPOCH_ID_SIZE];
    int64_t through;

    if (marked[0].origin.sequence > 0 ||
        strcmp(marked[0].origin.epoch, TB_MONGO_EPOCHS_REFUSED) == 0)
        return TB_OK; /* the epoch's document is not there, or has no sequences */
    TB_TRY(walk_on(client, collection, marked, count, arena, &through, err));
    if (through <= marked[0].complete_through)
        return TB_OK;
    marked[0].complete_through = through;
    marked[0].ends_chunk = through % TB_SEQUENCE_CHUNK_SIZE == 0;
    tb_mongo_epoch_id(&marked[0].origin, id);
    ops[(*op_count)++] = (struct tb_mongo_op){
        .kind = TB_MONGO_UPSERT,
        .filter = BCON_NEW("_id", BCON_UTF8(id)),
        .document = BCON_NEW("$max", "{", "completeThrough", BCON_INT64(through), "}")};
    return TB_OK;
}

struct compacting {
    struct marked *marked;
    size_t count;
    struct tb_mongo_op *ops; /* at most one for each epoch */
    size_t op_count;
};

static void release(struct compacting *run)
{
    tb_mongo_ops_clear(run->ops, run->op_count);
}

/* Chunks are removed only after it is stored how far their epoch is complete. */
static enum tb_code for_each_epoch(struct compacting *run, const struct tb_mongo_client *client,
                                   const char *collection, bool compacts, struct tb_arena *arena,
                                   struct tb_error *err)
{
    for (size_t first = 0, i = 1; i <= run->count; i++) {
        struct marked *epoch = &run->marked[first];

        if (i < run->count && tb_mongo_same_epoch(&epoch->origin, &run->marked[i].origin))
            continue;
        TB_TRY(compacts ? compact_epoch(client, collection, epoch, i - first, err)
                        : note_through(client, collection, epoch, i - first, arena, run->ops,
                                       &run->op_count, err));
        first = i;
    }
    return TB_OK;
}

/* Where an epoch is complete up to the end of a chunk, the next chunk is read after that is
 * stored: another writer of that chunk either was before, and is seen, or sees what is stored. */
static enum tb_code store_through(struct compacting *run, const struct tb_mongo_client *client,
                                  const char *collection, struct tb_arena *arena,
                                  struct tb_error *err)
{
    do {
        tb_mongo_ops_clear(run->ops, run->op_count);
        run->op_count = 0;
        TB_TRY(for_each_epoch(run, client, collection, /* compacts= */ false, arena, err));
        if (run->op_count > 0)
            TB_TRY(tb_mongo_upsert_sequences(client, collection, run->ops, run->op_count, err));
    } while (run->op_count > 0);
    return TB_OK;
}

enum tb_code tb_mongo_compact_sequences(const struct tb_mongo_client *client,
                                        const char *collection, const struct tb_str *ids,
                                        size_t id_count, struct tb_arena *arena,
                                        struct tb_error *err)
{
    TB_CLEANUP(release)
    struct compacting run = {.marked = tb_arena_array(arena, id_count, sizeof *run.marked),
                             .ops = tb_arena_array(arena, id_count, sizeof *run.ops)};

    if (!run.marked || !run.ops)
        return tb_mongo_no_memory(err);
    TB_TRY(read_marked(client, collection, ids, id_count, arena, run.marked, &run.count, err));
    TB_TRY(store_through(&run, client, collection, arena, err));
    return for_each_epoch(&run, client, collection, /* compacts= */ true, arena, err);
}
