#include "sim/check_priv.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The pages are checked once in so many checks of the rows. */
#define INTEGRITY_EVERY 4

/* The integrity check is half the cost of a check. Damage does not go away: a later check finds
 * it, at the latest the final one. */
static void check_integrity(const struct sim_node *node, const char *path, sqlite3 *db)
{
    if (node->checks % INTEGRITY_EVERY != 0 && !node->sim->healed)
        return;
    SIM_REQUIRE(check_number(db, "SELECT count(*) FROM pragma_integrity_check"
                                 " WHERE integrity_check <> 'ok'") == 0,
                "I11: %s is damaged", path);
    SIM_REQUIRE(check_number(db, "SELECT count(*) FROM pragma_foreign_key_check") == 0,
                "I11: %s has rows that point nowhere", path);
}

bool check_mark(const void *bytes, int len, struct check_mark *ret_mark)
{
    const char *at = bytes, *end = at + len;
    char digits[33];

    /* An event id may have such digits, too. */
    do {
        at = at ? memmem(at, (size_t)(end - at), "00-0000", 7) : NULL;
        if (!at || end - at < 55)
            return false;
        at++;
    } while (at[34] != '-' || at[51] != '-');
    snprintf(digits, sizeof digits, "%.32s", at + 2);
    ret_mark->number = (int)strtol(digits, NULL, 16) - 1;
    snprintf(digits, sizeof digits, "%.16s", at + 35);
    ret_mark->foreign = strtol(digits, NULL, 16) == 2;
    return true;
}

struct check_document check_document_row(sqlite3_stmt *stmt, int column)
{
    struct check_document d;
    const char **texts[] = {&d.id,  &d.status,  &d.kind,     &d.currency, &d.number,
                            &d.sku, &d.address, &d.customer, &d.node};
    int64_t *numbers[] = {&d.version, &d.total_minor, &d.line_count, &d.quantity, &d.price};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        *texts[i] = check_text(stmt, column++);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        *numbers[i] = sqlite3_column_int64(stmt, column++);
    return d;
}

void check_document(const struct sim_node *node, const struct check_document *d, int order,
                    int64_t version)
{
    static const char *const statuses[] = {"PLACED", "SHIPPED", "CANCELLED"};
    static const char *const currencies[] = {"EUR", "USD", "JPY"};
    const struct oracle *oracle = &node->sim->oracle;
    const struct oracle_order *o = &oracle->orders[order];
    struct oracle_state state = oracle_state(oracle, order, version);
    char number[32], sku[16], address[16] = "", customer[16];

    SIM_REQUIRE(state.known, "I2: order %s version %" PRId64 " has events of unknown origin",
                o->id, version);
    snprintf(number, sizeof number, "%s-%06" PRId64, node->name, o->number);
    snprintf(sku, sizeof sku, "S%d-0", state.line_op);
    snprintf(customer, sizeof customer, "C%d", state.placed_op);
    if (state.address_op != ORACLE_NONE)
        snprintf(address, sizeof address, "A%d", state.address_op);

    const struct {
        const char *what, *found, *expected;
    } texts[] = {{"order id", d->id, o->id},
                 {"status", d->status, statuses[state.status]},
                 {"kind", d->kind, state.is_return ? "RETURN" : "SALE"},
                 {"currency", d->currency, currencies[state.currency]},
                 {"number", d->number, number},
                 {"first line", d->sku, sku},
                 {"address", d->address, address},
                 {"customer", d->customer, customer},
                 {"node", d->node, node->name}};
    const struct {
        const char *what;
        int64_t found, expected;
    } numbers[] = {{"version", d->version, version},
                   {"total", d->total_minor, state.total_minor},
                   {"line count", d->line_count, state.line_count},
                   {"quantity", d->quantity, oracle->ops[state.line_op].quantity},
                   {"price", d->price, oracle->ops[state.line_op].price}};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        SIM_REQUIRE(strcmp(texts[i].found, texts[i].expected) == 0,
                    "I1: order %s version %" PRId64 ": %s is %s, should be %s", o->id, version,
                    texts[i].what, texts[i].found, texts[i].expected);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        SIM_REQUIRE(numbers[i].found == numbers[i].expected,
                    "I6: order %s version %" PRId64 ": %s is %" PRId64 ", should be %" PRId64,
                    o->id, version, numbers[i].what, numbers[i].found, numbers[i].expected);
}

static void check_kafka_cursor(struct sim_node *node, sqlite3 *store)
{
    bool remembered = check_number(store, "SELECT count(*) FROM cursors WHERE name = 'kafka'") > 0;

    SIM_REQUIRE(remembered || !node->kafka_remembered, "I7: %s has forgotten Kafka", node->name);
    node->kafka_remembered = remembered;
    check_centre_cursor(node, check_number(store, "SELECT row FROM cursors WHERE name = 'kafka'"));
}

void check_node(struct sim_node *node)
{
    sqlite3 *db;

    if (!node_healthy(node) || node->disk.power_off)
        return;
    if (node->changes_seen == node->disk.changes && !node->sim->healed)
        return; /* nothing has changed since the last check */
    node->changes_seen = node->disk.changes;
    node->checks++;
    sim_cover(COVER_CHECKS, 1);
    db = check_open(node, node->store_path);
    sqlite3 *log = check_open(node, node->log_path);
    check_integrity(node, node->store_path, db);
    check_store(node, db);
    check_recovery(node, db, log);
    oracle_resolve_unknown(&node->sim->oracle, node->index);
    if (!file_is_damaged(node, SIM_LOG)) {
        check_integrity(node, node->log_path, log);
        check_log(node, log);
        check_cursor(node, db);
    }
    if (node->config) { /* also while Kafka is not configured */
        check_centre_node(node);
        check_kafka_cursor(node, db);
    }
    if (!file_is_damaged(node, SIM_VIEW)) {
        db = check_open(node, node->view_path);
        check_integrity(node, node->view_path, db);
        check_view(node, db);
    }
    check_close(node);
    sim_trace("%s is sound", node->name);
}

/* A client reads an order from the node's view. */
void check_read(struct sim_node *node, int order)
{
    struct oracle_order *o = &node->sim->oracle.orders[order];
    struct tb_buf doc = {0};
    struct tb_error err = {0};
    int64_t version = 0;
    char total[48];
    enum tb_code code;

    if (o->id[0] == '\0')
        return;
    code = node->view_reader->ops->get(node->view_reader, tb_str_of(o->id), &doc, &version, &err);
    if (code == TB_CORRUPT)
        file_damage_told(node, "reading", &err);
    if (file_is_damaged(node, SIM_VIEW))
        return tb_buf_release(&doc);
    SIM_REQUIRE(code != TB_NOT_FOUND || o->read_version == 0, "I5: order %s was there and is gone",
                o->id);
    if (code == TB_OK) {
        sim_trace("%s shows order %d version %" PRId64, node->name, order, version);
        sim_cover(COVER_READ, 1);
        sim_cover(COVER_READ_BEHIND, version < o->max_version);
        SIM_REQUIRE(version >= o->read_version,
                    "I5: order %s goes from version %" PRId64 " to %" PRId64, o->id,
                    o->read_version, version);
        SIM_REQUIRE(version <= o->max_version || oracle_in_doubt(&node->sim->oracle, order),
                    "I10: order %s is visible at version %" PRId64 ", known up to %" PRId64, o->id,
                    version, o->max_version);
        o->read_version = version;
        if (version > o->max_version)
            o->max_version = version; /* a client has seen it: it must not vanish */
        struct oracle_state state = oracle_state(&node->sim->oracle, order, version);
        snprintf(total, sizeof total, "\"totalMinor\":%" PRId64 ",", state.total_minor);
        tb_buf_addc(&doc, '\0');
        SIM_REQUIRE(!state.known || strstr(doc.data, total), "I6: order %s does not say %s", o->id,
                    total);
    }
    tb_buf_release(&doc);
}
