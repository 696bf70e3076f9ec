/* Promise: every path of the interface is there, for the role that serves it, and nothing
 * near it. */
#include "api/routes.h"
#include "support/support.h"

#define ID "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"
static const struct {
    const char *path;
    int edge, central; /* -1: none */
} paths[] = {
    {"/orders", TB_ROUTE_ORDERS, TB_ROUTE_ORDERS_READ},
    {"/orders/stats", TB_ROUTE_STATS, TB_ROUTE_STATS},
    {"/orders/digests", TB_ROUTE_DIGESTS, TB_ROUTE_DIGESTS},
    {"/orders/" ID, TB_ROUTE_ORDER, TB_ROUTE_ORDER},
    {"/orders/01A207AB-6D5E-71EC-B6C1-58B7EA3E8654", TB_ROUTE_ORDER, TB_ROUTE_ORDER},
    {"/orders/" ID "/address", TB_ROUTE_ADDRESS, -1},
    {"/orders/" ID "/lines", TB_ROUTE_LINES, -1},
    {"/orders/" ID "/ship", TB_ROUTE_SHIP, -1},
    {"/orders/" ID "/cancel", TB_ROUTE_CANCEL, -1},
    {"/status", TB_ROUTE_STATUS, TB_ROUTE_STATUS},
    {"/link", TB_ROUTE_LINK, -1},
    {"/livez", TB_ROUTE_LIVEZ, TB_ROUTE_LIVEZ},
    {"/readyz", TB_ROUTE_READYZ, TB_ROUTE_READYZ},
    {"/healthz", TB_ROUTE_HEALTHZ, TB_ROUTE_HEALTHZ},
    {"/metrics", TB_ROUTE_METRICS, TB_ROUTE_METRICS},
    {"/", -1, -1},
    {"", -1, -1},
    {"/orders/", -1, -1},
    {"/Orders", -1, -1},
    {"/orders/{id}", -1, -1},
    {"/orders/{id}/ship", -1, -1},
    {"/orders/" ID "/", -1, -1},
    {"/orders/" ID "/ship/", -1, -1},
    {"/orders/" ID "x", -1, -1},
    {"/orders/" ID "/other", -1, -1},
    {"/orders/01a207ab6d5e71ecb6c158b7ea3e8654", -1, -1},
    {"/orders/01a207ab-6d5e-71ec-b6c1-58b7ea3e865g", -1, -1},
    {"/orders/stats/", -1, -1},
    {"/dead-letters", TB_ROUTE_LETTERS, TB_ROUTE_LETTERS},
    {"/dead-letters/replay", TB_ROUTE_LETTERS_REPLAY, TB_ROUTE_LETTERS_REPLAY},
    {"/dead-letters/order-events-3-17", TB_ROUTE_LETTER, TB_ROUTE_LETTER},
    {"/dead-letters/x", TB_ROUTE_LETTER, TB_ROUTE_LETTER},
    {"/dead-letters/x/replay", TB_ROUTE_LETTER_REPLAY, TB_ROUTE_LETTER_REPLAY},
    {"/dead-letters/replay/replay", TB_ROUTE_LETTER_REPLAY, TB_ROUTE_LETTER_REPLAY},
    {"/dead-letters/", -1, -1},
    {"/dead-letters//replay", -1, -1},
    {"/dead-letters/x/", -1, -1},
    {"/dead-letters/x/other", -1, -1},
    {"/dead-letters/x/replay/", -1, -1},
    {"/dead-letters/x/y/replay", -1, -1},
    {"/dead-lettersx", -1, -1},
    {"/rebuild", TB_ROUTE_REBUILD, TB_ROUTE_REBUILD},
    {"/ws", TB_ROUTE_WS, TB_ROUTE_WS},
    {"/ws/", -1, -1},
    {"/ws/orders", -1, -1},
    {"/nodes", -1, TB_ROUTE_NODES},
};

/* The route that a process of the role serves; its id, or -1. */
static int served(const char *path, enum tb_role role)
{
    char order_id[TB_UUID_SIZE];
    const struct tb_route *route = tb_route_find(tb_str_of(path), role, order_id);

    if (route != NULL && strncmp(route->name, "/orders/{", 9) == 0)
        ck_assert_str_eq(order_id, ID); /* in lower case */
    else
        ck_assert_str_eq(order_id, "");
    return route != NULL && (route->roles & role) ? (int)route->id : -1;
}

START_TEST(path)
{
    ck_assert_int_eq(served(paths[_i].path, TB_ROLE_EDGE), paths[_i].edge);
    ck_assert_int_eq(served(paths[_i].path, TB_ROLE_CENTRAL), paths[_i].central);
}
END_TEST

/* What only another role serves is told apart from what nobody does. */
START_TEST(commands_are_known_where_they_are_not_served)
{
    char order_id[TB_UUID_SIZE];
    const struct tb_route *route =
        tb_route_find(TB_STR("/orders/" ID "/ship"), TB_ROLE_CENTRAL, order_id);

    ck_assert_ptr_nonnull(route);
    ck_assert_int_eq(route->command, TB_CMD_SHIP);
}
END_TEST

/* Allow and the verdict come from one table: they must say the same. */
START_TEST(allow_tells_what_is_allowed)
{
    for (int r = 0; r < TB_ROUTE_COUNT; r++) {
        const struct tb_route *route = tb_route_of((enum tb_route_id)r);
        ck_assert_int_eq(route->id, r);
        for (enum tb_method m = TB_GET; m < TB_METHOD_OTHER; m++) {
            bool told = strstr(route->allow, tb_method_name(m)) != NULL;
            ck_assert_msg(tb_route_allows(route, m) == told, "%s %s", tb_method_name(m),
                          route->name);
        }
        ck_assert(!tb_route_allows(route, TB_METHOD_OTHER));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("route");
    TCase *tc = tcase_create("route");

    tcase_add_loop_test(tc, path, 0, (int)(sizeof(paths) / sizeof(paths[0])));
    tcase_add_test(tc, commands_are_known_where_they_are_not_served);
    tcase_add_test(tc, allow_tells_what_is_allowed);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
