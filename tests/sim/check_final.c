#include "sim/check_priv.h"
#include "store/writer_priv.h"
#include <string.h>

static bool view_has_all(struct sim_node *node)
{
    struct tb_log_range range = tb_log_inproc_range(node->log, SIM_GROUP);
    struct tb_error err = {0};
    int64_t next = -1;

    return node->view_reader->ops->offset(node->view_reader, 0, &next, &err) == TB_OK &&
           (next < 0 ? range.begin : next) == range.end && node->audit_next == range.end;
}

static bool foreign_is_acked(const struct sim_node *node)
{
    for (int i = 0; i < node->sim->foreign_count; i++)
        if (node->sim->foreign[i].node == node->index &&
            node->sim->foreign[i].state == FOREIGN_SENT)
            return false;
    return true;
}

static bool sends_snapshots(struct sim_node *node)
{
    struct tb_outbox_snapshots left = {0};
    struct tb_error err = {0};

    return tb_outbox_read_snapshots(node->api_outbox, TB_CURSOR_INPROC, &left, &err) != TB_OK ||
           left.next <= left.last;
}

bool check_has_arrived(struct sim_node *node)
{
    struct tb_outbox_status figures = {.pending = -1};
    struct tb_error err = {0};

    if (tb_mailbox_count(&node->writer->mailbox) > 0)
        return false;
    if (tb_outbox_read_status(node->api_outbox, TB_CURSOR_INPROC, &figures, &err) != TB_OK ||
        figures.pending > 0)
        return false;
    if (node->kafka &&
        (tb_outbox_read_status(node->api_outbox, TB_CURSOR_KAFKA, &figures, &err) != TB_OK ||
         figures.pending > 0))
        return false;
    if (node->kafka && !node_resend_is_done(node))
        return false;
    return !sends_snapshots(node) && view_has_all(node) && foreign_is_acked(node);
}

static void check_figures(struct sim_node *node, const char *cursor_name)
{
    struct tb_outbox_status figures = {0};
    struct tb_error err = {0};
    sqlite3 *store = check_open(node, node->store_path);
    int64_t rows = node->rows_seen,
            sequence = rows - check_number(store, "SELECT max(first_row) FROM epochs") + 1;

    check_close(node);
    SIM_REQUIRE(tb_outbox_read_status(node->api_outbox, cursor_name, &figures, &err) == TB_OK,
                "%s: %s", node->name, err.text);
    SIM_REQUIRE(figures.last_row == rows && figures.cursor_row == rows &&
                    figures.last_sequence == sequence && figures.delivered_sequence == sequence,
                "I7: %s: row %" PRId64 ", cursor %" PRId64 ", sequence %" PRId64
                ", delivered %" PRId64 ", but %" PRId64 " events, %" PRId64 " of this epoch",
                node->name, figures.last_row, figures.cursor_row, figures.last_sequence,
                figures.delivered_sequence, rows, sequence);
    SIM_REQUIRE(!figures.forced_offline, "%s is still forced offline", node->name);
}

static void check_order(struct sim_node *node, sqlite3 *view, int order)
{
    const struct oracle_order *o = &node->sim->oracle.orders[order];
    sqlite3_stmt *stmt = check_query(view, "SELECT version FROM orders WHERE order_id = ?1");
    struct tb_error err = {0};
    int64_t version = 0;
    bool delivered = false;

    sqlite3_bind_text(stmt, 1, o->id, -1, SQLITE_STATIC);
    while (check_row(stmt))
        version = sqlite3_column_int64(stmt, 0);
    SIM_REQUIRE(version == o->max_version,
                "I1: %s: the view has order %s at version %" PRId64 ", it is at %" PRId64,
                node->name, o->id, version, o->max_version);
    SIM_REQUIRE(o->log_version == o->max_version,
                "I7: %s: the log has order %s up to version %" PRId64 ", it is at %" PRId64,
                node->name, o->id, o->log_version, o->max_version);
    if (o->max_version == 0)
        return;
    SIM_REQUIRE(tb_outbox_order_delivered(node->api_outbox, TB_CURSOR_INPROC, tb_str_of(o->id),
                                          &delivered, &err) == TB_OK &&
                    delivered,
                "I7: %s: order %s is not delivered", node->name, o->id);
}

struct sums {
    int64_t orders, returns, cancelled;
    __int128 total_minor;
};

static void check_stats(struct sim_node *node)
{
    static const char *const currencies[ORACLE_CURRENCIES] = {"EUR", "JPY", "USD"};
    static const int order_of[ORACLE_CURRENCIES] = {0, 2,
                                                    1}; /* index of the oracle's EUR, USD, JPY */
    const struct oracle *oracle = &node->sim->oracle;
    const struct tb_stats_filter filter = {.group_by = TB_GROUP_DAY};
    struct sums sums[ORACLE_CURRENCIES] = {0};
    struct tb_arena arena = {0};
    struct tb_stats stats = {0};
    struct tb_error err = {0};
    size_t row = 0;

    for (int i = 0; i < oracle->order_count; i++) {
        struct oracle_state state = oracle_state(oracle, i, oracle->orders[i].max_version);
        struct sums *sum = &sums[order_of[state.currency]];

        if (oracle->orders[i].node != node->index || oracle->orders[i].max_version == 0)
            continue;
        sum->orders += !state.is_return;
        sum->returns += state.is_return;
        sum->cancelled += state.status == ORACLE_CANCELLED;
        sum->total_minor += state.status == ORACLE_CANCELLED ? 0 : state.total_minor;
    }
    SIM_REQUIRE(node->view_reader->ops->stats(node->view_reader, &filter, &arena, &stats, &err) ==
                    TB_OK,
                "%s: %s", node->name, err.text);
    for (int c = 0; c < ORACLE_CURRENCIES; c++) {
        if (sums[c].orders + sums[c].returns == 0)
            continue;
        SIM_REQUIRE(row < stats.total_count, "I6: %s: no sum of %s", node->name, currencies[c]);
        const struct tb_stats_row *total = &stats.totals[row++];
        SIM_REQUIRE(
            strcmp(total->currency, currencies[c]) == 0 && total->orders == sums[c].orders &&
                total->returns == sums[c].returns && total->cancelled == sums[c].cancelled &&
                total->total_minor == sums[c].total_minor,
            "I6: %s: the sums of %s are not those of the orders", node->name, currencies[c]);
    }
    SIM_REQUIRE(row == stats.total_count, "I6: %s: sums of a currency without orders", node->name);
    tb_arena_release(&arena);
}

/* False: the record may also be a duplicate. Another event of a version is found by that version's
 * event, which a view that got a snapshot does not know. */
static bool must_be_dead_letter(const struct sim *sim, const struct sim_foreign_record *foreign)
{
    if (foreign->kind == FOREIGN_OTHER_EVENT && sim->oracle.orders[foreign->order].had_snapshot)
        return false;
    return foreign_becomes_dead_letter(foreign->kind);
}

static void check_foreign(struct sim_node *node)
{
    for (int i = 0; i < node->sim->foreign_count; i++) {
        const struct sim_foreign_record *foreign = &node->sim->foreign[i];

        /* Dead letters with a retention time may be gone before a checker sees them. */
        if (foreign->node != node->index || node->sim->dead_letter_keep_ms >= 0)
            continue;
        SIM_REQUIRE(foreign->state != FOREIGN_ACKED || foreign->dead_letter_at != 0 ||
                        !must_be_dead_letter(node->sim, foreign),
                    "I9: foreign record %d of kind %d has no dead letter", i, (int)foreign->kind);
    }
}

void check_final(struct sim_node *node)
{
    sqlite3 *view;

    check_node(node);
    check_figures(node, TB_CURSOR_INPROC);
    if (node->kafka)
        check_figures(node, TB_CURSOR_KAFKA);
    view = check_open(node, node->view_path);
    for (int i = 0; i < node->sim->oracle.order_count; i++)
        if (node->sim->oracle.orders[i].node == node->index)
            check_order(node, view, i);
    check_close(node);
    check_stats(node);
    check_self(node);
    check_foreign(node);
}
