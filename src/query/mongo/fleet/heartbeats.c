#include "query/mongo/view_mongo_priv.h"

/* nodes: {_id: node, offset, clock of the last heartbeat, what tb_node remembers}. A document is
 * replaced only while its offset is the one that was read: each heartbeat is noted once, in the
 * order of its partition, whoever brings it. */

static void put_node(struct tb_bson_writer put, const struct tb_node *node, int64_t offset)
{
    const struct tb_heartbeat *last = &node->last;
    bson_t in_list, in_one;
    struct tb_bson_writer list, one;
    char scratch[16];

    tb_bson_put_text(put, "_id", last->node);
    tb_bson_put_int(put, "offset", offset);
    tb_bson_put_text(put, "epoch", last->epoch);
    tb_bson_put_text(put, "version", last->version);
    tb_bson_put_int(put, "lastSequence", last->last_sequence);
    tb_bson_put_int(put, "deliveredSequence", last->delivered_sequence);
    tb_bson_put_int(put, "pending", last->pending);
    if (last->oldest_pending_at_ms > 0)
        tb_bson_put_time(put, "oldestPendingAt", last->oldest_pending_at_ms);
    tb_bson_put_time(put, "clock", last->clock_ms);
    tb_bson_put_time(put, "lastSeenAt", last->arrived_at_ms);
    if (node->forked_at_ms > 0)
        tb_bson_put_time(put, "forkedAt", node->forked_at_ms);
    list = tb_bson_open_array(put, "epochs", &in_list);
    for (size_t i = 0; i < node->epoch_count; i++) {
        one = tb_bson_open(list, tb_bson_index_key(i, scratch), &in_one);
        tb_bson_put_text(one, "epoch", node->epochs[i].epoch);
        tb_bson_put_int(one, "lastSequence", node->epochs[i].last_sequence);
        tb_bson_put_bool(one, "wentBack", node->epochs[i].went_back);
        tb_bson_close(list, one);
    }
    tb_bson_close_array(put, list);
    list = tb_bson_open_array(put, "marks", &in_list);
    for (size_t i = 0; i < node->mark_count; i++) {
        one = tb_bson_open(list, tb_bson_index_key(i, scratch), &in_one);
        tb_bson_put_int(one, "sequence", node->marks[i].sequence);
        tb_bson_put_time(one, "clock", node->marks[i].clock_ms);
        tb_bson_close(list, one);
    }
    tb_bson_close_array(put, list);
}

static void read_epoch(bson_iter_t *iter, struct tb_node_epoch *epoch)
{
    while (bson_iter_next(iter)) {
        if (strcmp(bson_iter_key(iter), "epoch") == 0)
            tb_bson_get_text(iter, epoch->epoch, sizeof epoch->epoch);
        else if (strcmp(bson_iter_key(iter), "lastSequence") == 0)
            epoch->last_sequence = tb_bson_get_int(iter);
        else if (strcmp(bson_iter_key(iter), "wentBack") == 0)
            epoch->went_back = BSON_ITER_HOLDS_BOOL(iter) && bson_iter_bool(iter);
    }
}

static void read_mark(bson_iter_t *iter, struct tb_node_mark *mark)
{
    while (bson_iter_next(iter)) {
        if (strcmp(bson_iter_key(iter), "sequence") == 0)
            mark->sequence = tb_bson_get_int(iter);
        else if (strcmp(bson_iter_key(iter), "clock") == 0)
            mark->clock_ms = tb_bson_get_time(iter);
    }
}

/* Steps into the next document of a list. */
static bool next_document(bson_iter_t *list, bson_iter_t *ret_inner)
{
    return bson_iter_next(list) && BSON_ITER_HOLDS_DOCUMENT(list) &&
           bson_iter_recurse(list, ret_inner);
}

static void read_lists(const bson_t *doc, struct tb_node *node)
{
    bson_iter_t iter, list, inner;

    if (bson_iter_init_find(&iter, doc, "epochs") && BSON_ITER_HOLDS_ARRAY(&iter) &&
        bson_iter_recurse(&iter, &list)) {
        while (node->epoch_count < TB_NODE_EPOCHS_MAX && next_document(&list, &inner))
            read_epoch(&inner, &node->epochs[node->epoch_count++]);
    }
    if (bson_iter_init_find(&iter, doc, "marks") && BSON_ITER_HOLDS_ARRAY(&iter) &&
        bson_iter_recurse(&iter, &list)) {
        while (node->mark_count < TB_NODE_MARKS_MAX && next_document(&list, &inner))
            read_mark(&inner, &node->marks[node->mark_count++]);
    }
}

bool tb_mongo_node_decode(const bson_t *doc, struct tb_node *ret_node, int64_t *ret_offset)
{
    struct tb_node node = {0};
    int64_t offset = -1;
    struct tb_heartbeat *last = &node.last;
    const struct {
        const char *key;
        char *text;
        size_t size;
    } texts[] = {
        {"_id", last->node, sizeof last->node},
        {"epoch", last->epoch, sizeof last->epoch},
        {"version", last->version, sizeof last->version},
    };
    const struct {
        const char *key;
        int64_t *field;
        bool time;
    } numbers[] = {
        {"offset", &offset, false},
        {"lastSequence", &last->last_sequence, false},
        {"deliveredSequence", &last->delivered_sequence, false},
        {"pending", &last->pending, false},
        {"oldestPendingAt", &last->oldest_pending_at_ms, true},
        {"clock", &last->clock_ms, true},
        {"lastSeenAt", &last->arrived_at_ms, true},
        {"forkedAt", &node.forked_at_ms, true},
    };
    bson_iter_t iter;

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (bson_iter_init_find(&iter, doc, texts[i].key))
            tb_bson_get_text(&iter, texts[i].text, texts[i].size);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (bson_iter_init_find(&iter, doc, numbers[i].key))
            *numbers[i].field = numbers[i].time ? tb_bson_get_time(&iter) : tb_bson_get_int(&iter);
    }
    read_lists(doc, &node);
    *ret_node = node;
    *ret_offset = offset;
    return last->node[0] != '\0' && offset >= 0;
}

/* A node of which heartbeats are being noted. */
struct known {
    const char *name; /* the list's */
    struct tb_node node;
    int64_t offset; /* of the last one that was noted; -1: none */
    bool done;      /* nobody else wrote it meanwhile, or there is nothing new */
};
struct noting {
    const struct tb_mongo_client *lease;
    const struct tb_heartbeat_record *list;
    size_t count;
    struct known *nodes;     /* each once */
    struct tb_mongo_op *ops; /* tag: the place in nodes */
    size_t node_count, op_count;
    struct tb_arena arena;
};

static struct known *known_of(struct noting *run, const char *name)
{
    for (size_t i = 0; i < run->node_count; i++) {
        if (strcmp(run->nodes[i].name, name) == 0)
            return &run->nodes[i];
    }
    return NULL;
}

static enum tb_code begin(struct noting *run, struct tb_error *err)
{
    run->nodes = tb_arena_array(&run->arena, run->count, sizeof *run->nodes);
    run->ops = tb_arena_array(&run->arena, run->count, sizeof *run->ops);
    if (!run->nodes || !run->ops)
        return tb_mongo_no_memory(err);
    for (size_t i = 0; i < run->count; i++) {
        const char *name = run->list[i].heartbeat.node;

        if (!known_of(run, name))
            run->nodes[run->node_count++].name = name;
    }
    return TB_OK;
}

/* What is known of those that are not done. */
static enum tb_code read_nodes(struct noting *run, struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_find_free) struct tb_mongo_find find = {0};
    TB_CLEANUP(tb_bson_free) bson_t *filter = NULL;
    struct tb_str *ids = tb_arena_array(&run->arena, run->node_count, sizeof *ids);
    size_t count = 0;
    struct tb_node node;
    int64_t offset;
    const bson_t *doc;

    for (size_t i = 0; ids && i < run->node_count; i++) {
        struct known *known = &run->nodes[i];

        if (known->done)
            continue;
        known->offset = -1;
        known->node = (struct tb_node){0};
        ids[count++] = tb_str_of(known->name);
    }
    filter = ids ? tb_mongo_ids_filter(ids, count) : NULL;
    if (!filter)
        return tb_mongo_no_memory(err);
    tb_mongo_find_begin(&find, run->lease, "nodes", filter, NULL);
    while ((doc = tb_mongo_find_next(&find))) {
        struct known *known;

        if (!tb_mongo_node_decode(doc, &node, &offset))
            return tb_error_set(err, TB_CORRUPT, "nodes: a document is not as written");
        known = known_of(run, node.last.node);
        if (known) {
            known->node = node;
            known->offset = offset;
        }
    }
    return tb_mongo_find_end(&find, "reading nodes", err);
}

/* The write for one node, if there is anything new of it. */
static enum tb_code add_op(struct noting *run, size_t at, struct tb_error *err)
{
    struct known *known = &run->nodes[at];
    struct tb_mongo_op *op = &run->ops[run->op_count];
    int64_t offset = known->offset;
    bool failed = false;

    for (size_t i = 0; i < run->count; i++) {
        if (strcmp(run->list[i].heartbeat.node, known->name) != 0 || run->list[i].offset <= offset)
            continue;
        tb_node_apply_heartbeat(&known->node, &run->list[i].heartbeat);
        offset = run->list[i].offset;
    }
    known->done = offset == known->offset;
    if (known->done)
        return TB_OK;
    *op = (struct tb_mongo_op){.kind = TB_MONGO_INSERT, .document = bson_new(), .tag = at};
    run->op_count++;
    if (known->offset >= 0) {
        op->kind = TB_MONGO_REPLACE;
        op->filter = BCON_NEW("_id", BCON_UTF8(known->name), "offset", BCON_INT64(known->offset));
    }
    put_node((struct tb_bson_writer){op->document, &failed}, &known->node, offset);
    return failed ? tb_mongo_no_memory(err) : TB_OK;
}

static enum tb_code write_nodes(struct noting *run, struct tb_error *err)
{
    for (size_t i = 0; i < run->node_count; i++) {
        if (!run->nodes[i].done)
            TB_TRY(add_op(run, i, err));
    }
    if (run->op_count > 0)
        TB_TRY(tb_mongo_bulk(run->lease, "nodes", run->ops, run->op_count, err));
    for (size_t i = 0; i < run->op_count; i++) {
        const struct tb_mongo_op *op = &run->ops[i];

        if (op->code != 0 && op->code != TB_MONGO_DUPLICATE_KEY)
            return tb_mongo_op_error(err, op, "noting a heartbeat");
        run->nodes[op->tag].done = op->code == 0; /* else somebody else wrote it meanwhile */
    }
    return TB_OK;
}

static bool is_done(const struct noting *run)
{
    for (size_t i = 0; i < run->node_count; i++) {
        if (!run->nodes[i].done)
            return false;
    }
    return true;
}

static enum tb_code note_all(struct noting *run, struct tb_error *err)
{
    enum tb_code code = begin(run, err);

    for (int race = 0; code == TB_OK && race < TB_MONGO_RACES_MAX && !is_done(run); race++) {
        code = read_nodes(run, err);
        if (code == TB_OK)
            code = write_nodes(run, err);
        tb_mongo_ops_clear(run->ops, run->op_count);
        run->op_count = 0;
    }
    if (code == TB_OK && !is_done(run))
        code = tb_error_set(err, TB_BUSY, "others go on noting the same heartbeats");
    return code;
}

enum tb_code tb_mongo_save_heartbeats(struct tb_mongo *mongo,
                                      const struct tb_heartbeat_record *list, size_t count,
                                      struct tb_error *err)
{
    TB_CLEANUP(tb_mongo_client_release) struct tb_mongo_client lease = {0};
    struct noting run = {.lease = &lease, .list = list, .count = count};
    enum tb_code code;

    TB_TRY(tb_mongo_client_acquire(mongo, &lease, err));
    code = note_all(&run, err);
    tb_arena_release(&run.arena);
    return code;
}
