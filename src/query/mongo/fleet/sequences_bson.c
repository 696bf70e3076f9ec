#include "query/mongo/driver/fields.h"
#include "query/mongo/fleet/documents.h"
#include <stdio.h>

#define AT(member) TB_BSON_AT(struct tb_mongo_sequences, member)
static const struct tb_bson_field fields[] = {
    {"node", TB_BSON_TEXT, AT(node)},
    {"epoch", TB_BSON_TEXT, AT(epoch)},
    {"chunk", TB_BSON_INT, AT(chunk)},
    {"full", TB_BSON_BOOL, AT(full)},
    {"came", TB_BSON_LIST, AT(came), 0, offsetof(struct tb_mongo_sequences, came_count)},
    {"packed", TB_BSON_BYTES, AT(packed)},
    {"fullChunks", TB_BSON_INT, AT(full_chunks)},
    {"lastSequence", TB_BSON_INT, AT(last_sequence)},
    {"completeThrough", TB_BSON_INT, AT(complete_through)},
    {"lastReceivedAt", TB_BSON_TIME, AT(last_at_ms)},
    {"forked", TB_BSON_INT, AT(forked)},
};
static const struct tb_bson_table table = TB_BSON_TABLE(struct tb_mongo_sequences, fields);

bool tb_mongo_sequences_decode(const bson_t *doc, struct tb_arena *arena,
                               struct tb_mongo_sequences *ret_sequences)
{
    *ret_sequences = (struct tb_mongo_sequences){.chunk = -1, .complete_through = -1};
    return tb_bson_get_fields(doc, &table, arena, ret_sequences) &&
           ret_sequences->node[0] != '\0' && ret_sequences->epoch[0] != '\0';
}

void tb_mongo_sequences_chunk(const struct tb_mongo_sequences *sequences,
                              struct tb_sequence_chunk *ret_chunk)
{
    *ret_chunk = (struct tb_sequence_chunk){.number = sequences->chunk};
    if (sequences->packed.len == TB_SEQUENCE_CHUNK_SIZE) {
        memcpy(ret_chunk->fingerprints, sequences->packed.ptr, TB_SEQUENCE_CHUNK_SIZE);
        tb_sequence_chunk_fill(ret_chunk);
    }
    for (size_t i = 0; i < sequences->came_count; i++)
        tb_sequence_chunk_add(ret_chunk, (int32_t)sequences->came[i]);
    if (sequences->full)
        tb_sequence_chunk_fill(ret_chunk);
}

bson_t *tb_mongo_full_chunks_filter(const char *node, const char *epoch, int64_t from)
{
    return BCON_NEW("node", BCON_UTF8(node), "epoch", BCON_UTF8(epoch), "chunk", "{", "$gte",
                    BCON_INT64(from), "}", "full", BCON_BOOL(true));
}

void tb_mongo_epoch_id(const struct tb_plan_origin *origin, char ret_id[TB_MONGO_EPOCH_ID_SIZE])
{
    snprintf(ret_id, TB_MONGO_EPOCH_ID_SIZE, "%s/%s", origin->node.ptr, origin->epoch);
}

void tb_mongo_chunk_id(const struct tb_plan_origin *epoch, int64_t number,
                       char ret_id[TB_MONGO_CHUNK_ID_SIZE])
{
    snprintf(ret_id, TB_MONGO_CHUNK_ID_SIZE, "%s/%s/%014lld", epoch->node.ptr, epoch->epoch,
             (long long)number);
}

int tb_mongo_compare_origins(const void *a, const void *b)
{
    const struct tb_plan_origin *x = a, *y = b;
    int order = strcmp(x->node.ptr, y->node.ptr);

    if (order == 0)
        order = strcmp(x->epoch, y->epoch);
    return order != 0 ? order : (x->sequence > y->sequence) - (x->sequence < y->sequence);
}

bool tb_mongo_same_epoch(const struct tb_plan_origin *a, const struct tb_plan_origin *b)
{
    return tb_str_eq(a->node, b->node) && strcmp(a->epoch, b->epoch) == 0;
}
