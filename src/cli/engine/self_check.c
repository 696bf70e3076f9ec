#include "cli/engine/self_check.h"
#include "base/hash.h"
#include "cli/output/show.h"
#include <stdlib.h>

#define AGAIN_EVERY_MS 500

/* Rows sorted by group, key and currency. */
struct rows {
    struct tb_self_sums *list; /* owned */
    size_t count, room;
};
struct reading {
    struct rows store, view;
};

static const char *const groups[] = {"", "day", "status", "node"};

static void reading_release(struct reading *reading)
{
    free(reading->store.list);
    free(reading->view.list);
}

static int compare_rows(const struct tb_self_sums *a, const struct tb_self_sums *b)
{
    int order = strcmp(a->group, b->group);

    if (order == 0)
        order = strcmp(a->key, b->key);
    return order == 0 ? strcmp(a->currency, b->currency) : order;
}

static int out_of_rows(const struct tb_cli *cli)
{
    tb_cli_error(cli, "more than %d sums, or out of memory", TB_SELF_ROWS_MAX);
    return TB_EXIT_FAILED;
}

/* Finds the row of this group, key and currency, or inserts one without orders. NULL: no room. */
static struct tb_self_sums *row_of(struct rows *rows, const char *group, struct tb_str key,
                                   struct tb_str currency)
{
    struct tb_self_sums wanted = {0};
    size_t low = 0, high = rows->count;

    snprintf(wanted.group, sizeof wanted.group, "%s", group);
    snprintf(wanted.key, sizeof wanted.key, "%.*s", (int)key.len, key.ptr);
    snprintf(wanted.currency, sizeof wanted.currency, "%.*s", (int)currency.len, currency.ptr);
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_rows(&rows->list[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < rows->count && compare_rows(&rows->list[low], &wanted) == 0)
        return &rows->list[low];
    if (rows->count == rows->room) {
        size_t room = rows->room ? rows->room * 2 : 64;
        struct tb_self_sums *grown =
            room <= TB_SELF_ROWS_MAX * 2 ? realloc(rows->list, room * sizeof *grown) : NULL;

        if (!grown)
            return NULL;
        rows->list = grown;
        rows->room = room;
    }
    memmove(&rows->list[low + 1], &rows->list[low], (rows->count - low) * sizeof *rows->list);
    rows->list[low] = wanted;
    rows->count++;
    return &rows->list[low];
}

static int add_order(struct tb_self_check *check, struct rows *rows, const char *group,
                     struct tb_str key, const struct tb_digest *digest)
{
    struct tb_self_sums *row = row_of(rows, group, key, tb_str_of(digest->currency));
    bool cancelled = strcmp(digest->status, "CANCELLED") == 0;

    if (!row)
        return out_of_rows(check->cli);
    row->orders += !digest->is_return;
    row->returns += digest->is_return;
    row->cancelled += cancelled;
    row->total_minor += cancelled ? 0 : digest->total_minor;
    return TB_EXIT_DONE;
}

static int add_to_list(struct tb_self_check *check, struct rows *rows, const char *order_id,
                       int64_t version)
{
    struct tb_self_sums *row = row_of(rows, "list", TB_STR(""), TB_STR(""));
    uint32_t hash = tb_fnv1a(TB_FNV1A_START, order_id, TB_UUID_LEN);

    if (!row)
        return out_of_rows(check->cli);
    row->orders++;
    row->checksum += tb_fnv1a(hash, &version, sizeof version);
    return TB_EXIT_DONE;
}

/* Adds up the digests of the store. */
static int read_store(struct tb_self_check *check, struct rows *rows)
{
    TB_CLEANUP(tb_digest_stream_close) struct tb_digest_stream stream = {0};

    TB_CLI_TRY(tb_digest_stream_open(&stream, check->cli, check->url, TB_DIGESTS_DEFAULT));
    for (; !stream.ended;) {
        const struct tb_digest *digest = &stream.current;

        if (!digest->business_date[0])
            return tb_cli_bad_response(check->cli, "its digests have no business date");
        TB_CLI_TRY(add_order(check, rows, "", TB_STR(""), digest));
        TB_CLI_TRY(add_order(check, rows, "day", tb_str_of(digest->business_date), digest));
        TB_CLI_TRY(add_order(check, rows, "status", tb_str_of(digest->status), digest));
        TB_CLI_TRY(add_order(check, rows, "node", tb_str_of(digest->node), digest));
        TB_CLI_TRY(add_to_list(check, rows, digest->order_id, digest->version));
        tb_progress_draw(&check->progress, rows->count ? rows->list[0].orders : 0, 0, NULL);
        TB_CLI_TRY(tb_digest_stream_next(&stream));
    }
    return TB_EXIT_DONE;
}

static int fetch(struct tb_self_check *check, const char *path,
                 struct tb_http_response *ret_response)
{
    TB_CLI_TRY(tb_http_get(check->cli, path, 0, ret_response));
    if (ret_response->status != 200)
        return tb_show_problem(check->cli, ret_response);
    if (!tb_http_response_json(ret_response))
        return tb_cli_bad_response(check->cli, "it is not JSON");
    return TB_EXIT_DONE;
}

/* Adds the rows of GET /orders/stats. */
static int read_stats(struct tb_self_check *check, const char *group, struct rows *rows)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    const cJSON *one;

    tb_buf_adds(&path, "/orders/stats");
    tb_url_add_query(&path, "groupBy", group[0] ? group : NULL);
    TB_CLI_TRY(fetch(check, tb_cli_text(&path), &response));
    one = tb_cjson_first(response.json, group[0] ? "groups" : "totals");
    for (; one; one = one->next) {
        struct tb_self_sums *row =
            row_of(rows, group, group[0] ? tb_cjson_text(one, "key") : TB_STR(""),
                   tb_cjson_text(one, "currency"));

        if (!row)
            return out_of_rows(check->cli);
        if (!tb_cjson_int(one, "orders", &row->orders) ||
            !tb_cjson_int(one, "returns", &row->returns) ||
            !tb_cjson_int(one, "cancelled", &row->cancelled) ||
            !tb_cjson_is_sum(tb_cjson_get(one, "totalMinor"), &row->total_minor))
            return tb_cli_bad_response(check->cli, "a sum lacks something");
    }
    return TB_EXIT_DONE;
}

/* Walks the pages of GET /orders. */
static int read_list(struct tb_self_check *check, struct rows *rows)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf path = {0};
    bool more = true;

    tb_buf_adds(&path, "/orders?limit=500");
    while (more) {
        TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
        const cJSON *order;

        TB_CLI_TRY(fetch(check, tb_cli_text(&path), &response));
        order = tb_cjson_first(response.json, "orders");
        for (; order; order = order->next) {
            struct tb_str id = tb_cjson_text(order, "orderId");
            int64_t version = 0;

            if (id.len != TB_UUID_LEN || !tb_cjson_int(order, "version", &version))
                return tb_cli_bad_response(check->cli, "an order lacks something");
            TB_CLI_TRY(add_to_list(check, rows, id.ptr, version));
        }
        struct tb_str next = tb_cjson_text(response.json, "next");
        more = next.len > 0;
        tb_buf_clear(&path);
        tb_buf_adds(&path, "/orders?limit=500");
        tb_url_add_query(&path, "cursor", more ? next.ptr : NULL);
    }
    return TB_EXIT_DONE;
}

static int read_all(struct tb_self_check *check, struct reading *reading)
{
    TB_CLI_TRY(read_store(check, &reading->store));
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        TB_CLI_TRY(read_stats(check, groups[i], &reading->view));
    return read_list(check, &reading->view);
}

static bool is_same(const struct tb_self_sums *a, const struct tb_self_sums *b)
{
    return a->orders == b->orders && a->returns == b->returns && a->cancelled == b->cancelled &&
           a->total_minor == b->total_minor && a->checksum == b->checksum;
}

/* Calls report for each row that differs; NULL: only looks whether one does. */
static bool compare(struct tb_self_check *check, const struct reading *reading, bool report)
{
    const struct rows *store = &reading->store, *view = &reading->view;
    bool differs = false;

    for (size_t s = 0, v = 0; s < store->count || v < view->count;) {
        struct tb_self_difference found = {s < store->count ? &store->list[s] : NULL,
                                           v < view->count ? &view->list[v] : NULL};
        int order = !found.store ? 1 : !found.view ? -1 : compare_rows(found.store, found.view);

        if (order < 0)
            found.view = NULL;
        if (order > 0)
            found.store = NULL;
        s += order <= 0;
        v += order >= 0;
        if (order == 0 && is_same(found.store, found.view))
            continue;
        differs = true;
        if (!report)
            return true;
        check->differences++;
        check->report(check, &found);
    }
    return differs;
}

int tb_self_check_run(struct tb_self_check *check)
{
    for (;;) {
        TB_CLEANUP(reading_release) struct reading reading = {0};
        int64_t start_ms = tb_cli_now_ms();

        TB_CLI_TRY(read_all(check, &reading));
        if (!compare(check, &reading, false))
            return TB_EXIT_DONE;
        if (check->wait_left_ms <= 0) {
            tb_cli_clear_line();
            compare(check, &reading, true);
            return TB_EXIT_DONE;
        }
        tb_sleep_ms(AGAIN_EVERY_MS);
        check->wait_left_ms -= tb_cli_now_ms() - start_ms;
    }
}
