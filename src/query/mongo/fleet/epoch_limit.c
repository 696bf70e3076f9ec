#include "query/mongo/fleet/documents.h"
#include <stdlib.h>

/* An epoch that the batch names and that is not known. Sorted by node. */
struct newcomer {
    const struct tb_plan_origin *origin;
    int64_t *stored; /* how many epochs of its node are stored; shared by the node's newcomers */
};
struct admission {
    const struct tb_mongo_client *client;
    const char *collection;
    struct tb_mongo_known_epochs *known;
    struct newcomer *list;
    size_t count;
    struct tb_str *nodes; /* of the list, each once */
    int64_t *stored;      /* of each node */
    size_t node_count;
};

static uint64_t hash_of(struct tb_str node, const char *epoch)
{
    uint64_t low = tb_fnv1a(TB_FNV1A_START, node.ptr, node.len);
    uint64_t high = tb_fnv1a(TB_FNV1A_START, epoch, strlen(epoch));
    uint64_t hash = (low << 32 | high) * UINT64_C(0xff51afd7ed558ccd);

    hash ^= hash >> 29;
    return hash != 0 ? hash : 1;
}

static uint64_t *slot_of(struct tb_mongo_known_epochs *known, uint64_t hash)
{
    size_t at = hash % TB_MONGO_KNOWN_EPOCHS;

    while (known->slots[at] != 0 && known->slots[at] != hash)
        at = (at + 1) % TB_MONGO_KNOWN_EPOCHS;
    return &known->slots[at];
}

static bool is_known(struct tb_mongo_known_epochs *known, const struct tb_plan_origin *origin)
{
    return *slot_of(known, hash_of(origin->node, origin->epoch)) != 0;
}

static void add_known(struct tb_mongo_known_epochs *known, struct tb_str node, const char *epoch)
{
    uint64_t hash = hash_of(node, epoch), *slot = slot_of(known, hash);

    if (*slot != 0)
        return;
    if (known->count >= TB_MONGO_KNOWN_EPOCHS / 2) { /* the database has them all */
        *known = (struct tb_mongo_known_epochs){0};
        slot = slot_of(known, hash);
    }
    *slot = hash;
    known->count++;
}

static void list_newcomers(struct admission *run, const struct tb_plan_origin *origins,
                           size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if ((i > 0 && tb_mongo_same_epoch(&origins[i - 1], &origins[i])) ||
            is_known(run->known, &origins[i]))
            continue;
        if (run->node_count == 0 || !tb_str_eq(run->nodes[run->node_count - 1], origins[i].node))
            run->nodes[run->node_count++] = origins[i].node;
        run->list[run->count++] =
            (struct newcomer){&origins[i], &run->stored[run->node_count - 1]};
    }
}

static int by_name(const void *a, const void *b)
{
    return tb_str_compare(*(const struct tb_str *)a, *(const struct tb_str *)b);
}

static void count_stored(struct admission *run, const struct tb_mongo_sequences *read)
{
    struct tb_str name = tb_str_of(read->node);
    const struct tb_str *node =
        bsearch(&name, run->nodes, run->node_count, sizeof *run->nodes, by_name);

    if (!node || strcmp(read->epoch, TB_MONGO_EPOCHS_REFUSED) == 0)
        return;
    run->stored[node - run->nodes]++;
    add_known(run->known, name, read->epoch);
}

static enum tb_code read_stored(struct admission *run, struct tb_arena *arena,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_cursor_free) struct tb_mongo_cursor cursor = {0};
    TB_CLEANUP(tb_bson_free) bson_t *names = bson_new();
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    struct tb_mongo_sequences read;
    const bson_t *doc;
    bool failed = false;
    char scratch[16];

    for (size_t i = 0; i < run->node_count; i++)
        tb_bson_put_str((struct tb_bson_writer){names, &failed}, tb_bson_index_key(i, scratch),
                        run->nodes[i]);
    if (failed)
        return tb_mongo_no_memory(err);
    filter = BCON_NEW("node", "{", "$in", BCON_ARRAY(names), "}", "kind", BCON_UTF8("epoch"));
    tb_mongo_find(&cursor, run->client, run->collection, filter, NULL);
    while ((doc = tb_mongo_cursor_next(&cursor))) {
        if (tb_mongo_sequences_decode(doc, arena, &read))
            count_stored(run, &read);
    }
    return tb_mongo_cursor_end(&cursor, "counting epochs", err);
}

static void admit(struct admission *run)
{
    for (size_t i = 0; i < run->count; i++) {
        const struct newcomer *one = &run->list[i];

        if (is_known(run->known, one->origin) || *one->stored >= TB_NODE_EPOCHS_FOLLOWED)
            continue;
        ++*one->stored;
        add_known(run->known, one->origin->node, one->origin->epoch);
    }
}

enum tb_code tb_mongo_admit_epochs(const struct tb_mongo_client *client, const char *collection,
                                   struct tb_mongo_known_epochs *known,
                                   const struct tb_plan_origin *origins, size_t count,
                                   struct tb_arena *arena, bool *ret_admitted,
                                   struct tb_error *err)
{
    struct admission run = {.client = client,
                            .collection = collection,
                            .known = known,
                            .list = tb_arena_array(arena, count, sizeof *run.list),
                            .nodes = tb_arena_array(arena, count, sizeof *run.nodes),
                            .stored = tb_arena_array(arena, count, sizeof *run.stored)};

    if (!run.list || !run.nodes || !run.stored)
        return tb_mongo_no_memory(err);
    list_newcomers(&run, origins, count);
    if (run.count > 0) {
        TB_TRY(read_stored(&run, arena, err));
        admit(&run);
    }
    for (size_t i = 0; i < count; i++)
        ret_admitted[i] = is_known(known, &origins[i]);
    return TB_OK;
}
