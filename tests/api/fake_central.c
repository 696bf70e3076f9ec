#include "api/fake_central.h"
#include <stdio.h>
#include <stdlib.h>

static struct fake_central *central_of(struct tb_view_reader *reader)
{
    return (struct fake_central *)(void *)((char *)reader - offsetof(struct fake_central, view));
}

/* Every query begins here, and holds the lock from then on. */
static enum tb_code enter(struct fake_central *central, struct tb_error *err)
{
    pthread_mutex_lock(&central->lock);
    central->blocked++;
    pthread_cond_broadcast(&central->changed);
    while (central->gate_closed)
        pthread_cond_wait(&central->changed, &central->lock);
    central->blocked--;
    if (!central->unavailable)
        return TB_OK;
    pthread_mutex_unlock(&central->lock);
    return tb_error_set(err, TB_UNAVAILABLE, "MongoDB is away");
}

static int64_t version_of(const struct fake_central *central, struct tb_str order_id)
{
    for (size_t i = 0; i < central->order_count; i++) {
        if (tb_str_eq(tb_str_of(central->orders[i].order_id), order_id))
            return central->orders[i].version;
    }
    return 0;
}

static enum tb_code get(struct tb_view_reader *reader, struct tb_str order_id,
                        struct tb_buf *ret_doc, int64_t *ret_version, struct tb_error *err)
{
    struct fake_central *central = central_of(reader);
    int64_t version;

    TB_TRY(enter(central, err));
    central->gets++;
    version = version_of(central, order_id);
    pthread_mutex_unlock(&central->lock);
    if (version == 0)
        return tb_error_set(err, TB_NOT_FOUND, "the view has no such order");
    tb_buf_addf(ret_doc, "{\"orderId\":\"%.*s\",\"version\":%lld}", (int)order_id.len,
                order_id.ptr, (long long)version);
    *ret_version = version;
    return TB_OK;
}

static enum tb_code versions(struct tb_view_reader *reader, const char (*order_ids)[TB_UUID_SIZE],
                             size_t count, int64_t *ret_versions, struct tb_error *err)
{
    struct fake_central *central = central_of(reader);

    TB_TRY(enter(central, err));
    central->view_polls++;
    for (size_t i = 0; i < count; i++)
        ret_versions[i] = version_of(central, tb_str_of(order_ids[i]));
    pthread_mutex_unlock(&central->lock);
    return TB_OK;
}

static enum tb_code list(struct tb_view_reader *reader, const struct tb_list_filter *filter,
                         tb_listed_order_fn *each, void *ctx, bool *ret_more, struct tb_error *err)
{
    struct fake_central *central = central_of(reader);

    (void)filter;
    TB_TRY(enter(central, err));
    for (size_t i = 0; i < central->order_count; i++)
        each(ctx, tb_str_of(central->orders[i].order_id), 0, TB_STR("{}"));
    pthread_mutex_unlock(&central->lock);
    *ret_more = false;
    return TB_OK;
}

static enum tb_code scan(struct tb_view_reader *reader, const char *start, int limit,
                         tb_scanned_order_fn *each, void *ctx, struct tb_error *err)
{
    struct fake_central *central = central_of(reader);

    TB_TRY(enter(central, err));
    for (size_t i = 0; i < central->order_count && limit > 0; i++) {
        struct tb_order order = {.version = central->orders[i].version,
                                 .currency = "EUR",
                                 .node = TB_STR("till1"),
                                 .source = TB_STR("POS")};

        if (strcmp(central->orders[i].order_id, start) < 0)
            continue;
        memcpy(order.order_id, central->orders[i].order_id, TB_UUID_SIZE);
        each(ctx, &order, NULL);
        limit--;
    }
    pthread_mutex_unlock(&central->lock);
    return TB_OK;
}

static enum tb_code stats(struct tb_view_reader *reader, const struct tb_stats_filter *filter,
                          struct tb_arena *arena, struct tb_stats *ret_stats, struct tb_error *err)
{
    struct fake_central *central = central_of(reader);

    (void)filter, (void)arena;
    TB_TRY(enter(central, err));
    pthread_mutex_unlock(&central->lock);
    *ret_stats = (struct tb_stats){0};
    return TB_OK;
}

static enum tb_code count_dead_letters(struct tb_view_reader *reader, int64_t *ret_open,
                                       struct tb_error *err)
{
    struct fake_central *central = central_of(reader);

    TB_TRY(enter(central, err));
    pthread_mutex_unlock(&central->lock);
    *ret_open = 3;
    return TB_OK;
}

static const struct tb_dead_letter the_letter = {
    .position = {2, 17},
    .reason = {TB_REASON_GAP, sizeof TB_REASON_GAP - 1},
    .message = {"too early", 9},
    .attempts = 1,
    .value = {"{}", 2}};

static enum tb_code letters(struct tb_view_reader *reader,
                            const struct tb_dead_letter_filter *filter,
                            bool (*each)(void *ctx, const struct tb_dead_letter *letter),
                            void *ctx, bool *ret_more, struct tb_error *err)
{
    struct fake_central *central = central_of(reader);

    static const struct tb_header source = {TB_STR("ce_source"), TB_STR("/nodes/till2")};
    struct tb_dead_letter letter = the_letter;
    TB_TRY(enter(central, err));
    pthread_mutex_unlock(&central->lock);
    if (central->has_conflict) {
        letter.reason = TB_STR(TB_REASON_CONFLICT);
        letter.message = TB_STR("version 1 is there with another event id");
        letter.headers = &source;
        letter.header_count = 1;
    }
    *ret_more = !filter->reason.ptr || tb_str_eq(filter->reason, letter.reason);
    if (*ret_more)
        (void)each(ctx, &letter);
    return TB_OK;
}

static enum tb_code letter(struct tb_view_reader *reader, struct tb_dead_letter_position place,
                           struct tb_arena *arena, struct tb_dead_letter *ret_letter,
                           struct tb_error *err)
{
    struct fake_central *central = central_of(reader);

    (void)arena;
    TB_TRY(enter(central, err));
    pthread_mutex_unlock(&central->lock);
    if (place.partition != the_letter.position.partition ||
        place.offset != the_letter.position.offset)
        return tb_error_set(err, TB_NOT_FOUND, "the view has no such dead letter");
    *ret_letter = the_letter;
    return TB_OK;
}

static const struct tb_view_reader_ops ops = {
    .list_dead_letters = letters,
    .get_dead_letter = letter,
    .get = get,
    .versions = versions,
    .list = list,
    .scan = scan,
    .stats = stats,
    .count_dead_letters = count_dead_letters,
};

static enum tb_code on_nodes(void *ctx, int64_t now_ms, struct tb_arena *arena,
                             struct tb_node_report_list *ret_list, struct tb_error *err)
{
    struct fake_central *central = ctx;
    struct tb_node_report_list found = {.count = central->node_count};

    (void)now_ms;
    TB_TRY(enter(central, err));
    found.nodes = tb_arena_array(arena, found.count + 1, sizeof *found.nodes);
    memcpy(found.nodes, central->nodes, found.count * sizeof *found.nodes);
    for (size_t i = 0; i < found.count; i++)
        found.nodes[i].late_orders = 0; /* they are in the details */
    pthread_mutex_unlock(&central->lock);
    *ret_list = found;
    return TB_OK;
}

static enum tb_code on_node_details(void *ctx, int64_t now_ms, struct tb_arena *arena,
                                    struct tb_node_report *nodes, size_t count,
                                    struct tb_error *err)
{
    struct fake_central *central = ctx;

    (void)now_ms, (void)arena;
    TB_TRY(enter(central, err));
    for (size_t i = 0; i < count; i++) {
        for (size_t n = 0; n < central->node_count; n++) {
            if (strcmp(central->nodes[n].node, nodes[i].node) == 0)
                nodes[i] = central->nodes[n];
        }
    }
    pthread_mutex_unlock(&central->lock);
    return TB_OK;
}

/* Knows the nodes of the list, as MongoDB does. */
static enum tb_code on_retire(void *ctx, const char *node,
                              const struct tb_node_retirement *retired, const char *who,
                              struct tb_error *err)
{
    struct fake_central *central = ctx;
    struct tb_node_report *found = NULL;

    TB_TRY(enter(central, err));
    for (size_t i = 0; i < central->node_count; i++) {
        if (strcmp(central->nodes[i].node, node) == 0)
            found = &central->nodes[i];
    }
    if (found) {
        found->state = retired ? TB_NODE_RETIRED : TB_NODE_SILENT;
        found->retired = retired ? *retired : (struct tb_node_retirement){0};
        snprintf(central->retired_by, sizeof central->retired_by, "%s", who);
    }
    pthread_mutex_unlock(&central->lock);
    return found ? TB_OK : tb_error_set(err, TB_NOT_FOUND, "Nothing has ever come from it.");
}

static int64_t on_generation(void *ctx, int32_t partition)
{
    (void)ctx;
    (void)partition;
    return 1;
}

static void on_problem(void *ctx, char ret_text[240])
{
    struct fake_central *central = ctx;

    pthread_mutex_lock(&central->lock);
    snprintf(ret_text, 240, "%s", central->problem);
    pthread_mutex_unlock(&central->lock);
}

static enum tb_code on_ranges(void *ctx, struct tb_log_range *ret_ranges, struct tb_error *err)
{
    struct fake_central *central = ctx;

    if (central->log_away)
        return tb_error_set(err, TB_UNAVAILABLE, "no broker");
    for (int p = 0; p < TEST_PARTITIONS; p++)
        ret_ranges[p] = (struct tb_log_range){0, central->ends[p], central->committed[p]};
    return TB_OK;
}

static enum tb_code on_send(void *ctx, const struct tb_record *record, struct tb_error *err)
{
    struct fake_central *central = ctx;

    TB_TRY(enter(central, err));
    snprintf(central->sent, sizeof central->sent, "%.*s", (int)record->value.len,
             record->value.ptr);
    pthread_mutex_unlock(&central->lock);
    return TB_OK;
}

static enum tb_code on_drop(void *ctx, struct tb_dead_letter_position place, struct tb_error *err)
{
    (void)ctx, (void)place;
    return tb_error_set(err, TB_CONFLICT, "it was replayed");
}

static void on_audit(void *ctx, const char *what, bool sure, const char *letter_id,
                     const char *order_id, const char *who)
{
    (void)ctx, (void)what, (void)sure, (void)letter_id, (void)order_id, (void)who;
}

static int64_t wall_ms(void *ctx)
{
    (void)ctx;
    return 1795425003660;
}

static int64_t mono_us(void *ctx)
{
    return tb_clock_mono_us(&tb_clock_system) +
           atomic_load(&((struct fake_central *)ctx)->ahead_us);
}

void fake_central_init(struct fake_central *central)
{
    memset(central, 0, sizeof *central);
    central->clock = (struct tb_clock){central, wall_ms, mono_us};
    central->view.ops = &ops;
    central->stats.end_to_end_us.spec = &tb_histogram_time;
    pthread_mutex_init(&central->lock, NULL);
    pthread_cond_init(&central->changed, NULL);
    central->options = (struct tb_api_options){
        .listen = "127.0.0.1:0",
        .allowed_hosts = "",
        .body_max = 1 << 20,
        .depth_max = 32,
        .header_max = 8192,
        .header_timeout_ms = 5000,
        .body_timeout_ms = 10000,
        .connections_max = 400,
        .connections_per_address_max = 400,
        .clock = &central->clock,
        .lists = {{.view = &central->view}},
        .singles = {{.view = &central->view}, {.view = &central->view}},
        .consumer = &central->stats,
        .topic = "order-events",
        .group = "tillbox-central",
        .view_name = "mongodb",
        .partitions = TEST_PARTITIONS,
        .log_ranges = on_ranges,
        .dead_letters = {on_send, on_drop, on_audit},
        .ctx = central,
    };
}

static void *api_main(void *arg)
{
    tb_api_run(((struct fake_central *)arg)->api);
    return NULL;
}

void fake_central_start(struct fake_central *central)
{
    const struct tb_api_central role = {.nodes = on_nodes,
                                        .node_details = on_node_details,
                                        .retire = on_retire,
                                        .problem = on_problem,
                                        .generation = on_generation};
    struct tb_error err = {0};

    central->options.central = &role;
    ck_ok(tb_api_open(&central->options, &central->api, &err));
    central->port = atoi(strrchr(tb_api_url(central->api), ':') + 1);
    ck_assert_int_eq(pthread_create(&central->thread, NULL, api_main, central), 0);
}

void fake_central_stop(struct fake_central *central)
{
    tb_api_stop(central->api);
    pthread_join(central->thread, NULL);
    fake_central_open_gate(central);
    tb_api_free(central->api);
    pthread_mutex_destroy(&central->lock);
    pthread_cond_destroy(&central->changed);
}

void fake_central_set_order(struct fake_central *central, const char *order_id, int64_t version)
{
    size_t i = 0;

    pthread_mutex_lock(&central->lock);
    while (i < central->order_count && strcmp(central->orders[i].order_id, order_id) != 0)
        i++;
    ck_assert_uint_lt(i, FAKE_ORDERS);
    snprintf(central->orders[i].order_id, TB_UUID_SIZE, "%s", order_id);
    central->orders[i].version = version;
    central->order_count += i == central->order_count;
    pthread_mutex_unlock(&central->lock);
}

void fake_central_set_unavailable(struct fake_central *central, bool away)
{
    pthread_mutex_lock(&central->lock);
    central->unavailable = away;
    pthread_mutex_unlock(&central->lock);
}

void fake_central_close_gate(struct fake_central *central)
{
    pthread_mutex_lock(&central->lock);
    central->gate_closed = true;
    pthread_mutex_unlock(&central->lock);
}

void fake_central_open_gate(struct fake_central *central)
{
    pthread_mutex_lock(&central->lock);
    central->gate_closed = false;
    pthread_cond_broadcast(&central->changed);
    pthread_mutex_unlock(&central->lock);
}

void fake_central_wait_blocked(struct fake_central *central, int count)
{
    pthread_mutex_lock(&central->lock);
    while (central->blocked < count)
        pthread_cond_wait(&central->changed, &central->lock);
    pthread_mutex_unlock(&central->lock);
}

void fake_central_advance_ms(struct fake_central *central, int64_t ms)
{
    atomic_fetch_add(&central->ahead_us, ms * 1000);
}

uint64_t fake_central_gets(struct fake_central *central)
{
    pthread_mutex_lock(&central->lock);
    uint64_t gets = central->gets;
    pthread_mutex_unlock(&central->lock);
    return gets;
}
