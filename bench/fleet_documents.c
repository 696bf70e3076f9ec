#include "fleet_documents.h"
#include "query/mongo/driver/bulk.h"
#include "query/mongo/fleet/documents.h"
#include "query/mongo/sales/sales.h"
#include "query/mongo/view/view.h"
#include <stdio.h>
#include <stdlib.h>

#define DAY_MS (INT64_C(24) * 60 * 60 * 1000)
#define EPOCH "00112233445566aa"
#define AT_ONCE 500
/* Events of a node: so that it has full chunks which are kept, and one that is open. */
#define SEQUENCES 2100
#define KEPT_CHUNKS 6

struct writing {
    struct tb_mongo_client client;
    const struct tb_fleet_size *size;
    const char *collection;
    struct tb_mongo_op ops[AT_ONCE];
    size_t count;
    int64_t now_ms;
    struct tb_arena arena;
};

int tb_fleet_behind(const struct tb_fleet_size *size)
{
    return size->nodes / 50;
}

int tb_fleet_silent(const struct tb_fleet_size *size)
{
    return size->nodes / 100;
}

static int64_t now_ms(void)
{
    return tb_clock_wall_ms(&tb_clock_system);
}

void tb_fleet_date(int days_ago, char ret_date[TB_DATE_SIZE])
{
    tb_business_date(now_ms() - days_ago * DAY_MS, 0, ret_date);
}

static void must(enum tb_code code, const struct tb_error *err)
{
    if (code != TB_OK)
        tb_bench_die("MongoDB: %s", err->text);
}

static void flush(struct writing *run)
{
    struct tb_error err = {0};

    must(tb_mongo_write(&run->client, run->collection, run->ops, run->count, "loading", &err),
         &err);
    tb_mongo_ops_clear(run->ops, run->count);
    run->count = 0;
    tb_arena_clear(&run->arena);
}

/* Owns the document. */
static void add(struct writing *run, bson_t *document)
{
    run->ops[run->count++] = (struct tb_mongo_op){.kind = TB_MONGO_INSERT, .document = document};
    if (run->count == AT_ONCE)
        flush(run);
}

static void node_name(int number, char ret_name[TB_NODE_MAX + 1])
{
    snprintf(ret_name, TB_NODE_MAX + 1, "till%05d", number);
}

static bool is_behind(const struct writing *run, int number)
{
    return number < tb_fleet_behind(run->size);
}

static bool is_silent(const struct writing *run, int number)
{
    return number >= run->size->nodes - tb_fleet_silent(run->size);
}

/* As heartbeats leave it: one mark, or all of them while the node is behind. */
static void add_node(struct writing *run, int number)
{
    struct tb_mongo_node stored = {
        .node = {.epochs = {{.epoch = EPOCH, .last_sequence = SEQUENCES}},
                 .epoch_count = 1,
                 .mark_count = is_behind(run, number) ? TB_NODE_MARKS_MAX : 1,
                 .has_clock_offset = true},
        .offset = number};
    struct tb_node *node = &stored.node;
    /* So far ahead that none of them is silent before the end of the measurement. */
    int64_t seen_ms = run->now_ms + (is_silent(run, number) ? -DAY_MS : DAY_MS);
    bson_t *doc = bson_new();
    bool failed = false;

    for (size_t i = 0; i < node->mark_count; i++)
        node->marks[i] =
            (struct tb_node_mark){SEQUENCES - (int64_t)(node->mark_count - 1 - i),
                                  run->now_ms - 30000 * (int64_t)(node->mark_count - i)};
    node->last = (struct tb_heartbeat){.epoch = EPOCH,
                                       .version = "0.1.0",
                                       .last_sequence = SEQUENCES,
                                       .delivered_sequence = SEQUENCES,
                                       .clock_ms = run->now_ms,
                                       .arrived_at_ms = seen_ms,
                                       .day_ends_at_ms = run->now_ms + DAY_MS};
    node_name(number, node->last.node);
    tb_business_date(run->now_ms, 0, node->last.business_date);
    tb_mongo_put_node((struct tb_bson_writer){doc, &failed}, &stored);
    add(run, doc);
}

static void add_epoch(struct writing *run, int number)
{
    int64_t through = is_behind(run, number) ? SEQUENCES - 10 : SEQUENCES;
    char name[TB_NODE_MAX + 1], id[TB_MONGO_EPOCH_ID_SIZE];
    struct tb_plan_origin origin = {.epoch = EPOCH};

    node_name(number, name);
    origin.node = tb_str_of(name);
    tb_mongo_epoch_id(&origin, id);
    add(run, BCON_NEW("_id", BCON_UTF8(id), "kind", BCON_UTF8("epoch"), "node", BCON_UTF8(name),
                      "epoch", BCON_UTF8(EPOCH), "lastSequence", BCON_INT64(SEQUENCES),
                      "completeThrough", BCON_INT64(through), "fullChunks",
                      BCON_INT64(SEQUENCES / TB_SEQUENCE_CHUNK_SIZE), "lastReceivedAt",
                      BCON_DATE_TIME(run->now_ms - (is_silent(run, number) ? DAY_MS : 1000))));
}

static void add_chunk(struct writing *run, int number, int64_t chunk)
{
    int64_t first = chunk * TB_SEQUENCE_CHUNK_SIZE + 1, count = SEQUENCES - first + 1;
    bool full = count >= TB_SEQUENCE_CHUNK_SIZE;
    char name[TB_NODE_MAX + 1], id[TB_MONGO_CHUNK_ID_SIZE], scratch[16];
    struct tb_plan_origin origin = {.epoch = EPOCH};
    static const uint8_t packed[TB_SEQUENCE_CHUNK_SIZE];
    bson_t *came = bson_new(), *doc;

    node_name(number, name);
    origin.node = tb_str_of(name);
    tb_mongo_chunk_id(&origin, chunk, id);
    for (int64_t i = 0; !full && i < count; i++) {
        if (!(is_behind(run, number) && first + i == SEQUENCES - 9))
            BSON_APPEND_INT64(came, tb_bson_index_key((size_t)i, scratch),
                              tb_sequence_chunk_entry(first + i, TB_STR("an event")));
    }
    doc = BCON_NEW("_id", BCON_UTF8(id), "came", BCON_ARRAY(came), "kind", BCON_UTF8("chunk"),
                   "node", BCON_UTF8(name), "epoch", BCON_UTF8(EPOCH), "chunk", BCON_INT64(chunk),
                   "full", BCON_BOOL(full));
    if (full)
        BSON_APPEND_BINARY(doc, "packed", BSON_SUBTYPE_BINARY, packed, sizeof packed);
    add(run, doc);
    bson_destroy(came);
}

static void write_nodes(struct writing *run)
{
    int64_t last = (SEQUENCES - 1) / TB_SEQUENCE_CHUNK_SIZE;

    run->collection = "nodes";
    for (int n = 0; n < run->size->nodes; n++)
        add_node(run, n);
    flush(run);
    run->collection = "sequences";
    for (int n = 0; n < run->size->nodes; n++) {
        add_epoch(run, n);
        for (int64_t chunk = last - KEPT_CHUNKS; chunk <= last; chunk++)
            add_chunk(run, n, chunk);
    }
    flush(run);
}

/* Ten orders of a node on a day: nine sales, one of them shipped and one cancelled, and a return.
 */
static void add_day(struct writing *run, const struct tb_order *order, int32_t partition,
                    int64_t nodes, bool is_total)
{
    struct tb_sales_part part = {.partition = partition,
                                 .through = 1000,
                                 .fence = 1,
                                 .orders = 9 * nodes,
                                 .returns = nodes,
                                 .cancelled = nodes,
                                 .shipped = nodes,
                                 .shipped_minor = 3265 * nodes,
                                 .total_minor = 7 * (tb_sum)3265 * nodes};
    struct tb_sales_day day = {0};
    struct tb_error err = {0};
    bson_t *doc = bson_new();

    must(is_total ? tb_sales_total_of(order, partition, &run->arena, &day, &err)
                  : tb_sales_day_of(order, &run->arena, &day, &err),
         &err);
    day.changes = 1;
    day.parts = &part;
    day.part_count = 1;
    must(tb_mongo_day_encode(&day, doc, &err), &err);
    add(run, doc);
}

static void write_days(struct writing *run)
{
    char name[TB_NODE_MAX + 1];
    struct tb_order order = {.currency = "EUR"};

    run->collection = "sales_by_day";
    for (int d = 0; d < run->size->days; d++) {
        tb_fleet_date(d, order.business_date);
        for (int n = 0; n < run->size->nodes; n++) {
            node_name(n, name);
            order.node = tb_str_of(name);
            add_day(run, &order, n % TB_FLEET_PARTITIONS, 1, false);
        }
    }
    flush(run);
    run->collection = "sales_totals";
    for (int d = 0; d < run->size->total_days; d++) {
        tb_fleet_date(d, order.business_date);
        for (int32_t p = 0; p < TB_FLEET_PARTITIONS; p++)
            add_day(run, &order, p,
                    (run->size->nodes + TB_FLEET_PARTITIONS - 1 - p) / TB_FLEET_PARTITIONS, true);
    }
    flush(run);
}

static void add_order(struct writing *run, int64_t number)
{
    static struct tb_line lines[] = {{TB_STR("TEA-0001"), TB_STR("Green tea, loose"), 2, 350},
                                     {TB_STR("MUG-0042"), TB_STR("Mug, blue"), 1, 1290},
                                     {TB_STR("CAK-0007"), TB_STR("Lemon cake"), 3, 425}};
    int64_t days = run->size->days;
    struct tb_planned_order planned = {
        .order = {.version = 1,
                  .status = number % 10 == 0   ? TB_SHIPPED
                            : number % 10 == 1 ? TB_CANCELLED
                                               : TB_PLACED,
                  .kind = number % 10 == 2 ? TB_RETURN : TB_SALE,
                  .total_minor = number % 10 == 2 ? -3265 : 3265,
                  .currency = "EUR",
                  .placed_at_ms = run->now_ms - number % days * DAY_MS - number / days % 30000000,
                  .source = TB_STR("POS"),
                  .lines = lines,
                  .line_count = 3},
        .epoch = EPOCH,
        .sequence = 1 + number % SEQUENCES,
        .received_at_ms = run->now_ms};
    struct tb_order *order = &planned.order;
    char name[TB_NODE_MAX + 1], customer[16];
    struct tb_error err = {0};
    bson_t *doc = bson_new();

    node_name((int)(number / days % run->size->nodes), name);
    order->node = tb_str_of(name);
    snprintf(customer, sizeof customer, "C-%06d", (int)(number % 1000000));
    order->customer_id = tb_str_of(customer);
    snprintf(order->order_number, sizeof order->order_number, "%s-%06d", name,
             (int)(number / run->size->nodes));
    snprintf(order->order_id, sizeof order->order_id, "01a207ab-%04x-7000-8000-%012llx",
             (unsigned)(number * 40503 & 0xffff), (unsigned long long)number & 0xffffffffffff);
    tb_business_date(order->placed_at_ms, 0, order->business_date);
    must(tb_mongo_order_encode(&planned, doc, &err), &err);
    add(run, doc);
}

static void write_orders(struct writing *run)
{
    run->collection = "orders";
    for (int64_t i = 0; i < run->size->orders; i++) {
        add_order(run, i);
        if ((i + 1) % 100000 == 0)
            tb_bench_note("%lld orders are loaded", (long long)(i + 1));
    }
    flush(run);
}

void tb_fleet_write(const char *uri, const char *database, const struct tb_fleet_size *size)
{
    const struct tb_mongo_options options = {.uri = uri,
                                             .database = database,
                                             .topic = database,
                                             .bulk_size = AT_ONCE,
                                             .clock = &tb_clock_system,
                                             .random = &tb_random_system};
    struct writing *run = calloc(1, sizeof *run);
    struct tb_mongo *mongo = NULL;
    struct tb_error err = {0};
    char warning[240];

    if (!run)
        tb_bench_die("out of memory");
    run->size = size;
    run->now_ms = now_ms();
    must(tb_mongo_new(&options, &mongo, &err), &err);
    must(tb_mongo_prepare(mongo, warning, &err), &err);
    must(tb_mongo_client_acquire(mongo, &run->client, &err), &err);
    write_nodes(run);
    tb_bench_note("%d nodes are loaded", size->nodes);
    write_days(run);
    tb_bench_note("%d days are loaded", size->nodes * size->days);
    write_orders(run);
    tb_mongo_client_release(&run->client);
    tb_arena_release(&run->arena);
    tb_mongo_free(mongo);
    free(run);
}
