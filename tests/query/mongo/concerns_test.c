/* Promise: what decides is read from the primary with read concern majority and written with
 * w=majority and journal, and people's queries end in time, whatever the URI says.
 * Method: the URI sends reads to a secondary, which answers that nothing is there. The driver
 * reports every command that it sends, and each is checked. */
#include "query/mongo/centrals.h"
#include "query/mongo/fleet/fleet.h"
#include "query/mongo/mongo_feed.h"
#include <stdio.h>

/* What a kind of command must say. */
static const struct {
    const char *name;
    enum { READS, WRITES, LISTS } does;
} kinds[] = {
    {"find", READS},    {"aggregate", READS},      {"insert", WRITES}, {"update", WRITES},
    {"delete", WRITES}, {"createIndexes", WRITES}, {"drop", WRITES},   {"listCollections", LISTS},
};
#define KINDS (sizeof kinds / sizeof *kinds)

static struct {
    char primary[300]; /* host:port */
    int64_t seen[KINDS];
    int64_t from_secondary; /* finds of people's queries */
    bool may_prefer;        /* a people's query runs that may read from the secondary */
    bool is_limited;        /* every read must have maxTimeMS */
} commands;

static bool has(const bson_t *doc, const char *path, const char *text)
{
    bson_iter_t iter, found;

    return bson_iter_init(&iter, doc) && bson_iter_find_descendant(&iter, path, &found) &&
           BSON_ITER_HOLDS_UTF8(&found) && strcmp(bson_iter_utf8(&found, NULL), text) == 0;
}

static bool has_number(const bson_t *doc, const char *path)
{
    bson_iter_t iter, found;

    return bson_iter_init(&iter, doc) && bson_iter_find_descendant(&iter, path, &found) &&
           bson_iter_as_int64(&found) > 0;
}

static bool is_of_primary(const mongoc_apm_command_started_t *event)
{
    const bson_t *command = mongoc_apm_command_started_get_command(event);

    return strcmp(mongoc_apm_command_started_get_host(event)->host_and_port, commands.primary) ==
               0 &&
           (!bson_has_field(command, "$readPreference") ||
            has(command, "$readPreference.mode", "primary"));
}

static void check_read(const mongoc_apm_command_started_t *event, const char *text)
{
    const bson_t *command = mongoc_apm_command_started_get_command(event);
    bool is_order = has(command, "find", "orders") || has(command, "find", "orders_2");

    ck_assert_msg(has(command, "readConcern.level", "majority"), "%s", text);
    ck_assert_msg(has_number(command, "maxTimeMS") == commands.is_limited, "%s", text);
    if (commands.may_prefer && is_order && !is_of_primary(event))
        commands.from_secondary++;
    else
        ck_assert_msg(is_of_primary(event), "%s", text);
}

static void check_write(const mongoc_apm_command_started_t *event, const char *text)
{
    const bson_t *command = mongoc_apm_command_started_get_command(event);

    ck_assert_msg(is_of_primary(event), "%s", text);
    ck_assert_msg(has(command, "writeConcern.w", "majority"), "%s", text);
    ck_assert_msg(has_number(command, "writeConcern.j"), "%s", text);
    ck_assert_msg(has_number(command, "writeConcern.wtimeout"), "%s", text);
}

static void on_started(const mongoc_apm_command_started_t *event)
{
    const char *name = mongoc_apm_command_started_get_command_name(event);
    char *text =
        bson_as_relaxed_extended_json(mongoc_apm_command_started_get_command(event), NULL);
    size_t kind = 0;

    while (kind < KINDS && strcmp(kinds[kind].name, name) != 0)
        kind++;
    if (kind == KINDS) {
        /* These neither read nor write documents, or continue a find where it began. */
        ck_assert_msg(strcmp(name, "getMore") == 0 || strcmp(name, "killCursors") == 0 ||
                          strcmp(name, "endSessions") == 0,
                      "unknown command: %s", text);
    } else {
        commands.seen[kind]++;
        if (kinds[kind].does == READS)
            check_read(event, text);
        else if (kinds[kind].does == WRITES)
            check_write(event, text);
        else
            ck_assert_msg(is_of_primary(event), "%s", text);
    }
    bson_free(text);
}

/* Every pool that the code under test makes reports its commands. */
mongoc_client_pool_t *__real_mongoc_client_pool_new_with_error(const mongoc_uri_t *uri,
                                                               bson_error_t *error);
mongoc_client_pool_t *__wrap_mongoc_client_pool_new_with_error(const mongoc_uri_t *uri,
                                                               bson_error_t *error);
mongoc_client_pool_t *__wrap_mongoc_client_pool_new_with_error(const mongoc_uri_t *uri,
                                                               bson_error_t *error)
{
    mongoc_client_pool_t *pool = __real_mongoc_client_pool_new_with_error(uri, error);
    mongoc_apm_callbacks_t *callbacks = mongoc_apm_callbacks_new();

    ck_assert_ptr_nonnull(pool);
    snprintf(commands.primary, sizeof commands.primary, "%s",
             mongoc_uri_get_hosts(uri)->host_and_port);
    mongoc_apm_set_command_started_cb(callbacks, on_started);
    ck_assert(mongoc_client_pool_set_apm_callbacks(pool, callbacks, NULL));
    mongoc_apm_callbacks_destroy(callbacks);
    return pool;
}

/* Two centrals apply events, with dead letters, and rebuild the view until old ones are removed.
 */
START_TEST(every_command_of_a_central_has_our_concerns)
{
    static const struct tb_rebuild_job job = {0};
    static struct centrals centrals;
    struct tb_view *view;
    struct tb_error err = {0};
    int64_t removed = -1;

    centrals_init(&centrals, 3, &(struct history_options){25, 20, 10});
    while (centrals_add(&centrals))
        ;
    centrals_read_on(&centrals);
    view = centrals.list[0].view;
    ck_ok(view->ops->expire_dead_letters(view, INT64_C(1) << 50, 1, &removed, &err));
    ck_assert_int_eq(removed, 1);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(central_rebuild(&centrals.list[i % 2], &job), TB_REBUILD_DONE);
    centrals_check(&centrals);
    for (size_t kind = 0; kind < KINDS; kind++)
        ck_assert_msg(commands.seen[kind] > 0, "no %s was sent", kinds[kind].name);
    centrals_release(&centrals);
}
END_TEST

static void ignore_scanned(void *ctx, const struct tb_order *order, const char *other_column)
{
    (void)ctx, (void)order, (void)other_column;
}

static bool ignore_letter(void *ctx, const struct tb_dead_letter *letter)
{
    (void)ctx, (void)letter;
    return true;
}

static bool ignore_listed(void *ctx, struct tb_str order_id, int64_t placed_at_ms,
                          struct tb_str doc)
{
    (void)ctx, (void)order_id, (void)placed_at_ms, (void)doc;
    return true;
}

/* Single orders and lists come from the secondary, which has none; what is waited for or counted
 * comes from the primary. */
START_TEST(only_answers_to_people_may_be_old)
{
    struct mongo_fixture f;
    struct tb_mongo *queries;
    struct tb_view_reader *reader = NULL;
    struct tb_error err = {0};
    struct tb_buf doc = {0};
    struct tb_stats stats = {0};
    struct tb_node_report_list nodes = {0};
    char ids[1][TB_UUID_SIZE];
    int64_t version = 0, open = -1;
    enum tb_code code;
    bool more = true;

    mongo_fixture_open(&f, 50, 9);
    history_make(&f.history, &f.fake, &(struct history_options){10, 0, 0});
    mongo_feed(f.view, &f.history, 0, 100);
    memcpy(ids[0], f.history.orders[0].order.order_id, TB_UUID_SIZE);
    queries = mongo_db_for_queries(&f.db);
    ck_ok(tb_view_mongo_open_reader(queries, &reader, &err));
    commands.is_limited = true;

    ck_ok(reader->ops->get_latest(reader, tb_str_of(ids[0]), &doc, &version, &err));
    ck_assert_int_gt(version, 0);
    ck_ok(reader->ops->versions(reader, (const char(*)[TB_UUID_SIZE])ids, 1, &version, &err));
    ck_assert_int_gt(version, 0);
    ck_ok(reader->ops->stats(reader, &(struct tb_stats_filter){0}, &f.arena, &stats, &err));
    ck_assert_uint_gt(stats.total_count, 0);
    ck_ok(reader->ops->stats(reader, &(struct tb_stats_filter){.has_from = true}, &f.arena, &stats,
                             &err));
    ck_assert_uint_gt(stats.total_count, 0);
    ck_ok(reader->ops->scan(reader, "", 10, ignore_scanned, NULL, &err));
    ck_ok(reader->ops->count_dead_letters(reader, &open, &err));
    ck_ok(reader->ops->list_dead_letters(reader, &(struct tb_dead_letter_filter){.limit = 1},
                                         ignore_letter, NULL, &more, &err));
    ck_ok(tb_mongo_list_nodes(queries, 1, &f.arena, &nodes, &err));
    ck_assert_uint_gt(nodes.count, 0);
    ck_ok(tb_mongo_detail_nodes(queries, 1, &f.arena, nodes.nodes, nodes.count, &err));

    commands.may_prefer = true;
    code = reader->ops->get(reader, tb_str_of(ids[0]), &doc, &version, &err);
    ck_assert_msg(code == TB_NOT_FOUND, "%s", err.text);
    ck_assert_int_eq(commands.from_secondary, 1);
    ck_ok(reader->ops->list(reader, &(struct tb_list_filter){.limit = 10}, ignore_listed, NULL,
                            &more, &err));
    ck_assert_int_eq(commands.from_secondary, 2);
    commands.is_limited = false;
    mongo_check_history(f.reader, &f.history); /* not for queries: from the primary all the same */
    ck_assert_int_eq(commands.from_secondary, 2);

    tb_view_reader_free(reader);
    tb_mongo_free(queries);
    tb_buf_release(&doc);
    mongo_fixture_close(&f);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("mongo_concerns");
    TCase *tc = tcase_create("commands");
    int status;

    mongo_server_begin_set();
    mongo_server_limits("replicaSet=rs0&readPreference=secondaryPreferred");
    tcase_add_test(tc, every_command_of_a_central_has_our_concerns);
    tcase_add_test(tc, only_answers_to_people_may_be_old);
    suite_add_tcase(suite, tc);
    status = test_main(suite);
    mongo_server_end();
    return status;
}
