/* Promise: while checkpoints of the store fail, orders are taken, and health, status and metrics
 * say what fails and since when; afterwards all is well without a restart. Method: a real edge
 * whose store.db cannot be synced, while its WAL can. */
#include "api/node.h"
#include "support/fault_vfs.h"
#include <sqlite3.h>

/* So many lines that a few orders fill the WAL. */
#define LINES 900

static struct node node;
static struct client client;
static struct response got;
static struct tb_buf order;

static void prepare(void)
{
    fault_vfs_install();
    node_init(&node);
}

static void setup(void)
{
    prepare();
    node_start(&node);
    client_open(&client, &node);
    tb_buf_adds(&order, "{\"lines\":[");
    for (int i = 0; i < LINES; i++)
        tb_buf_addf(&order, "%s{\"sku\":\"TEA-%d\",\"quantity\":2,\"unitPriceMinor\":350}",
                    i > 0 ? "," : "", i);
    tb_buf_adds(&order, "]}");
    ck_assert(tb_buf_ok(&order));
}

static void teardown(void)
{
    tb_buf_release(&order);
    response_release(&got);
    client_close(&client);
    node_stop(&node);
    fault_vfs_uninstall();
}

static void place_order(void)
{
    ask(&client, "POST", "/orders", "", order.data, &got);
    ck_assert_int_eq(got.status, 201);
}

static void place_small_order(void)
{
    ask(&client, "POST", "/orders", "",
        "{\"lines\":[{\"sku\":\"TEA\",\"quantity\":2,\"unitPriceMinor\":350}]}", &got);
    ck_assert_int_eq(got.status, 201);
}

static bool is_failing(void)
{
    struct tb_checkpoint_status status;

    tb_checkpoints_status(&node.checkpoints, &status);
    return status.failing_at_ms > 0;
}

static void get(const char *target, int status)
{
    ask(&client, "GET", target, "", NULL, &got);
    ck_assert_msg(got.status == status, "%s: %d %s", target, got.status, got.body);
}

static bool says(const char *text)
{
    return strstr(got.body, text) != NULL;
}

#define FAILED "tillbox_checkpoints_failed_total{file=\"store.db\"} "
#define FAILING "tillbox_checkpoints_failing_since_timestamp_seconds{file=\"store.db\"} "

START_TEST(failing_checkpoints_are_shown)
{
    get("/healthz", 200);
    get("/status", 200);
    ck_assert(says("\"failingCheckpoints\":[]"));
    get("/metrics", 200);
    ck_assert(says(FAILED "0\n") && !says(FAILING));

    fault_vfs_fail_only("store.db");
    fault_vfs_fail(FAULT_SYNC, 1, SQLITE_IOERR_FSYNC, /* forever= */ true, 1);
    while (!is_failing())
        place_order();
    place_order();
    get("/healthz", 503);
    ck_assert(says("\"store\":{\"status\":\"fail\",\"detail\":\"store.db cannot be checkpointed "
                   "since 20"));
    ck_assert(says("disk I/O error"));
    get("/readyz", 200);
    get("/status", 200);
    ck_assert(says("\"failingCheckpoints\":[{\"file\":\"store.db\",\"since\":\"20"));
    get("/metrics", 200);
    ck_assert(says(FAILED) && !says(FAILED "0\n") && says(FAILING));

    fault_vfs_heal();
    while (is_failing()) { /* a try does nothing while log or view are being checkpointed */
        atomic_fetch_add(&node.ahead_us, INT64_C(1000) * TB_CHECKPOINT_RETRY_MAX_MS);
        client_close(&client); /* for the server it has been idle for a minute */
        client_open(&client, &node);
        place_order();
    }
    get("/healthz", 200);
    get("/status", 200);
    ck_assert(says("\"failingCheckpoints\":[]"));
    get("/metrics", 200);
    ck_assert(!says(FAILED "0\n") && !says(FAILING));
}
END_TEST

/* Of two events that the store had when the node started, the view has none. The log has both (_i
 * 0), or will get them. */
START_TEST(a_view_that_lacks_events_is_shown)
{
    node_start(&node);
    client_open(&client, &node);
    atomic_store(&node.rows_left, _i == 0 ? 0 : 2);
    atomic_store(&node.first_end, _i == 0 ? 2 : -1);
    get("/status", 200);
    ck_assert(says("\"catchingUp\":{\"applied\":0,\"total\":2}"));
    get("/readyz", 200);
    get("/healthz", 503);
    ck_assert(
        says("\"snapshots\":{\"status\":\"fail\",\"detail\":\"the view is catching up: 0 of 2 "
             "events\"}"));
}
END_TEST

/* With the last of them health passes. The orders of later are not waited for. */
START_TEST(a_view_that_has_caught_up_passes)
{
    int tries = 0;

    node_start(&node);
    client_open(&client, &node);
    atomic_store(&node.first_end, 2);
    place_small_order();
    get("/healthz", 503);
    place_small_order();
    do {
        ck_assert_int_lt(tries++, 1000000);
        ask(&client, "GET", "/healthz", "", NULL, &got);
    } while (got.status != 200);
    get("/status", 200);
    ck_assert(!says("catchingUp"));
}
END_TEST

/* Nothing is on its way then, so the cause is said. */
START_TEST(a_view_behind_a_held_link_names_it)
{
    node_start(&node);
    client_open(&client, &node);
    atomic_store(&node.first_end, -1);
    atomic_store(&node.rows_left, 5);
    atomic_store(&node.forced, 1);
    get("/healthz", 503);
    ck_assert(says("0 of 5 events; it stands still, because the link is forced offline: `tillbox "
                   "link auto`"));
}
END_TEST

START_TEST(a_view_that_has_everything_is_no_news)
{
    node_start(&node);
    client_open(&client, &node);
    get("/status", 200);
    ck_assert(!says("catchingUp"));
    get("/healthz", 200);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("api/handlers/health");
    TCase *tc = tcase_create("health"), *starting = tcase_create("starting");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_checked_fixture(starting, prepare, teardown);
    tcase_add_loop_test(starting, a_view_that_lacks_events_is_shown, 0, 2);
    tcase_add_test(starting, a_view_that_has_caught_up_passes);
    tcase_add_test(starting, a_view_behind_a_held_link_names_it);
    tcase_add_test(starting, a_view_that_has_everything_is_no_news);
    suite_add_tcase(suite, starting);
    tcase_add_test(tc, failing_checkpoints_are_shown);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
