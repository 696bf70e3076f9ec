/* Promise: every path of the interface is there, for the role that serves it, and nothing
 * near it. */
#include "api/routes.h"
#include "support/support.h"

#define ID "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"
#define READ "GET, HEAD, OPTIONS"
static const struct {
    const char *path;
    const char *route;          /* NULL: no such path */
    const char *edge, *central; /* Allow; "": not served there */
} paths[] = {
    {"/orders", "/orders", "GET, HEAD, POST, OPTIONS", READ},
    {"/orders/stats", "/orders/stats", READ, READ},
    {"/orders/digests", "/orders/digests", READ, READ},
    {"/orders/" ID, "/orders/{id}", READ, READ},
    {"/orders/01A207AB-6D5E-71EC-B6C1-58B7EA3E8654", "/orders/{id}", READ, READ},
    {"/orders/" ID "/address", "/orders/{id}/address", "PUT, OPTIONS", ""},
    {"/orders/" ID "/lines", "/orders/{id}/lines", "PUT, OPTIONS", ""},
    {"/orders/" ID "/ship", "/orders/{id}/ship", "POST, OPTIONS", ""},
    {"/orders/" ID "/cancel", "/orders/{id}/cancel", "POST, OPTIONS", ""},
    {"/status", "/status", READ, READ},
    {"/link", "/link", "PUT, OPTIONS", ""},
    {"/link/kafka", "/link/{id}", "DELETE, OPTIONS", ""},
    {"/link/", NULL, "", ""},
    {"/link/kafka/x", NULL, "", ""},
    {"/livez", "/livez", READ, READ},
    {"/readyz", "/readyz", READ, READ},
    {"/healthz", "/healthz", READ, READ},
    {"/metrics", "/metrics", READ, READ},
    {"/", NULL, "", ""},
    {"", NULL, "", ""},
    {"/orders/", NULL, "", ""},
    {"/Orders", NULL, "", ""},
    {"/orders/{id}", NULL, "", ""},
    {"/orders/{id}/ship", NULL, "", ""},
    {"/orders/" ID "/", NULL, "", ""},
    {"/orders/" ID "/ship/", NULL, "", ""},
    {"/orders/" ID "x", NULL, "", ""},
    {"/orders/" ID "/other", NULL, "", ""},
    {"/orders/01a207ab6d5e71ecb6c158b7ea3e8654", NULL, "", ""},
    {"/orders/01a207ab-6d5e-71ec-b6c1-58b7ea3e865g", NULL, "", ""},
    {"/orders/stats/", NULL, "", ""},
    {"/dead-letters", "/dead-letters", READ, READ},
    {"/dead-letters/replay", "/dead-letters/replay", "POST, OPTIONS", "POST, OPTIONS"},
    {"/dead-letters/order-events-3-17", "/dead-letters/{id}", "GET, HEAD, DELETE, OPTIONS",
     "GET, HEAD, DELETE, OPTIONS"},
    {"/dead-letters/x", "/dead-letters/{id}", "GET, HEAD, DELETE, OPTIONS",
     "GET, HEAD, DELETE, OPTIONS"},
    {"/dead-letters/x/replay", "/dead-letters/{id}/replay", "POST, OPTIONS", "POST, OPTIONS"},
    {"/dead-letters/replay/replay", "/dead-letters/{id}/replay", "POST, OPTIONS", "POST, OPTIONS"},
    {"/dead-letters/", NULL, "", ""},
    {"/dead-letters//replay", NULL, "", ""},
    {"/dead-letters/x/", NULL, "", ""},
    {"/dead-letters/x/other", NULL, "", ""},
    {"/dead-letters/x/replay/", NULL, "", ""},
    {"/dead-letters/x/y/replay", NULL, "", ""},
    {"/dead-lettersx", NULL, "", ""},
    {"/rebuild", "/rebuild", "GET, HEAD, POST, OPTIONS", "GET, HEAD, POST, OPTIONS"},
    {"/ws", "/ws", READ, READ},
    {"/ws/", NULL, "", ""},
    {"/ws/orders", NULL, "", ""},
    {"/nodes", "/nodes", "", READ},
};

/* The Allow header for a path where a role serves it, "" elsewhere. */
static void find(const char *path, enum tb_role role, const char **ret_route,
                 char ret_allow[TB_ALLOW_SIZE])
{
    char order_id[TB_UUID_SIZE];
    struct tb_str id;
    const struct tb_route *route = tb_route_find(tb_str_of(path), order_id, &id);

    *ret_route = route ? route->path : NULL;
    ret_allow[0] = '\0';
    if (route)
        tb_route_allow(route, role, ret_allow);
    if (route && strncmp(route->path, "/orders/{", 9) == 0)
        ck_assert_str_eq(order_id, ID); /* in lower case */
    else
        ck_assert_str_eq(order_id, "");
}

START_TEST(path)
{
    char allow[TB_ALLOW_SIZE];
    const char *route;

    find(paths[_i].path, TB_ROLE_EDGE, &route, allow);
    ck_assert_pstr_eq(route, paths[_i].route);
    ck_assert_str_eq(allow, paths[_i].edge);
    find(paths[_i].path, TB_ROLE_CENTRAL, &route, allow);
    ck_assert_pstr_eq(route, paths[_i].route);
    ck_assert_str_eq(allow, paths[_i].central);
}
END_TEST

/* The handler gets the text at {id}, its case kept. */
START_TEST(path_id)
{
    char order_id[TB_UUID_SIZE];
    struct tb_str id;

    ck_assert_ptr_nonnull(tb_route_find(TB_STR("/dead-letters/a-3-17/replay"), order_id, &id));
    ck_assert(tb_str_eq(id, TB_STR("a-3-17")));
}
END_TEST

/* Allow and the handlers come from one table: they must say the same. */
START_TEST(allow_lists_the_methods_that_have_a_handler)
{
    static const enum tb_role roles[] = {TB_ROLE_EDGE, TB_ROLE_CENTRAL};
    char order_id[TB_UUID_SIZE], allow[TB_ALLOW_SIZE];
    struct tb_str id;
    const struct tb_route *route = tb_route_find(tb_str_of(paths[_i].path), order_id, &id);

    for (size_t r = 0; route && r < 2; r++) {
        tb_route_allow(route, roles[r], allow);
        for (enum tb_method m = TB_GET; m <= TB_METHOD_OTHER; m++) {
            const struct tb_route *row = tb_route_for(route, roles[r], m);
            bool listed = m != TB_OPTIONS && strstr(allow, tb_method_name(m)) != NULL &&
                          m != TB_METHOD_OTHER;
            ck_assert_msg((row != NULL) == listed, "%s %s", tb_method_name(m), route->path);
            if (row)
                ck_assert((row->serve || row->query) && (row->roles & roles[r]));
        }
    }
}
END_TEST

/* A central refuses a command with a text that says where to send it. */
START_TEST(commands_have_one_handler)
{
    static const struct {
        const char *path;
        enum tb_method method;
        enum tb_command_type command;
    } commands[] = {
        {"/orders", TB_POST, TB_CMD_PLACE},
        {"/orders/" ID "/address", TB_PUT, TB_CMD_ADDRESS},
        {"/orders/" ID "/lines", TB_PUT, TB_CMD_LINES},
        {"/orders/" ID "/ship", TB_POST, TB_CMD_SHIP},
        {"/orders/" ID "/cancel", TB_POST, TB_CMD_CANCEL},
    };
    char order_id[TB_UUID_SIZE];
    struct tb_str id;
    const struct tb_route *place =
        tb_route_for(tb_route_find(TB_STR("/orders"), order_id, &id), TB_ROLE_EDGE, TB_POST);

    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        const struct tb_route *route = tb_route_find(tb_str_of(commands[i].path), order_id, &id);
        const struct tb_route *row = tb_route_for(route, TB_ROLE_EDGE, commands[i].method);
        ck_assert_ptr_nonnull(row);
        ck_assert(row->serve == place->serve);
        ck_assert_int_eq(row->command, commands[i].command);
        ck_assert_ptr_null(tb_route_for(route, TB_ROLE_CENTRAL, commands[i].method));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("routes");
    TCase *tc = tcase_create("routes");
    const int count = (int)(sizeof paths / sizeof *paths);

    tcase_add_loop_test(tc, path, 0, count);
    tcase_add_loop_test(tc, allow_lists_the_methods_that_have_a_handler, 0, count);
    tcase_add_test(tc, path_id);
    tcase_add_test(tc, commands_have_one_handler);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
