#include "query/projection/stats_fold.h"
#include "sim/check_priv.h"
#include "store/order_reader.h"
#include <string.h>

/* What `tillbox verify --self` compares: at the end, what a node serves from its view is what its
 * store holds. Each order is the same, lists find it by what it says, and every sum is that of the
 * store's orders, added up anew. */

#define GROUPINGS (TB_GROUP_STATUS + 1)

struct comparison {
    struct sim_node *node;
    char view[ORACLE_ORDERS_MAX][65]; /* hashes of the view's orders, by their ids */
    size_t view_count, store_count;
    struct tb_stats_fold folds[GROUPINGS]; /* of the store's orders */
};

static void see_view_order(void *ctx, const struct tb_order *order, const char *other_column)
{
    struct comparison *c = ctx;

    SIM_REQUIRE(!other_column, "I6: %s: order %s is listed with another %s than it has",
                c->node->name, order->order_id, other_column);
    SIM_REQUIRE(c->view_count < ORACLE_ORDERS_MAX, "I2: %s: too many orders", c->node->name);
    tb_order_hash(order, c->view[c->view_count++]);
}

static void see_store_order(void *ctx, const struct tb_stored_order *stored)
{
    struct comparison *c = ctx;
    const struct tb_order *order = &stored->order;
    const char *status = tb_order_status_name(order->status);
    char node[64], hash[65];
    struct tb_error err = {0};

    tb_order_hash(order, hash);
    SIM_REQUIRE(c->store_count < c->view_count && strcmp(c->view[c->store_count++], hash) == 0,
                "I6: %s: order %s is another one in the view", c->node->name, order->order_id);
    snprintf(node, sizeof node, "%.*s", (int)order->node.len, order->node.ptr);
    for (int g = 0; g < GROUPINGS; g++) {
        const char *key = g == TB_GROUP_DAY      ? order->business_date
                          : g == TB_GROUP_NODE   ? node
                          : g == TB_GROUP_STATUS ? status
                                                 : "";

        SIM_REQUIRE(tb_stats_fold_add(&c->folds[g], key, order->currency, order->kind,
                                      order->status, 1, order->total_minor, &err) == TB_OK,
                    "%s", err.text);
    }
}

static void compare_rows(const struct comparison *c, const struct tb_stats_row *served,
                         size_t served_count, const struct tb_stats_row *expected, size_t count)
{
    SIM_REQUIRE(served_count == count, "I6: %s serves %zu sums, it has %zu", c->node->name,
                served_count, count);
    for (size_t i = 0; i < count; i++) {
        const struct tb_stats_row *a = &served[i], *b = &expected[i];

        SIM_REQUIRE(strcmp(a->key, b->key) == 0 && strcmp(a->currency, b->currency) == 0 &&
                        a->orders == b->orders && a->returns == b->returns &&
                        a->cancelled == b->cancelled && a->total_minor == b->total_minor,
                    "I6: %s: the sum of %s %s is not that of its orders", c->node->name, b->key,
                    b->currency);
    }
}

static void compare_sums(struct comparison *c, enum tb_group_by group_by)
{
    const struct tb_stats_filter filter = {.group_by = group_by};
    struct tb_view_reader *reader = c->node->view_reader;
    struct tb_stats served = {0}, expected = {0};
    struct tb_error err = {0};

    SIM_REQUIRE(tb_stats_fold_finish(&c->folds[group_by], group_by, &expected, &err) == TB_OK &&
                    reader->ops->stats(reader, &filter, c->folds[group_by].arena, &served, &err) ==
                        TB_OK,
                "%s: %s", c->node->name, err.text);
    compare_rows(c, served.totals, served.total_count, expected.totals, expected.total_count);
    compare_rows(c, served.groups, served.group_count, expected.groups, expected.group_count);
}

void check_self(struct sim_node *node)
{
    static _Thread_local struct comparison c;
    struct tb_order_reader *store = NULL;
    struct tb_arena arena = {0};
    struct tb_error err = {0};

    c = (struct comparison){.node = node};
    for (int g = 0; g < GROUPINGS; g++)
        c.folds[g].arena = &arena;
    SIM_REQUIRE(node->view_reader->ops->scan(node->view_reader, "", ORACLE_ORDERS_MAX + 1,
                                             see_view_order, &c, &err) == TB_OK &&
                    tb_order_reader_open(node->store_path, &store, &err) == TB_OK &&
                    tb_order_reader_scan(store, TB_CURSOR_INPROC, "", ORACLE_ORDERS_MAX + 1,
                                         see_store_order, &c, &err) == TB_OK,
                "%s: %s", node->name, err.text);
    SIM_REQUIRE(c.store_count == c.view_count, "I2: %s: the view has orders that the store lacks",
                node->name);
    for (int g = 0; g < GROUPINGS; g++)
        compare_sums(&c, (enum tb_group_by)g);
    tb_order_reader_free(store);
    tb_arena_release(&arena);
}
