/* Promise: every path of the interface is there, and nothing near it. */
#include "api/route.h"
#include "support/support.h"

#define ID "01a207ab-6d5e-71ec-b6c1-58b7ea3e8654"
static const struct {
    const char *path;
    int id; /* -1: none */
} paths[] = {
    {"/orders", TB_ROUTE_ORDERS},
    {"/orders/stats", TB_ROUTE_STATS},
    {"/orders/" ID, TB_ROUTE_ORDER},
    {"/orders/01A207AB-6D5E-71EC-B6C1-58B7EA3E8654", TB_ROUTE_ORDER},
    {"/orders/" ID "/address", TB_ROUTE_ADDRESS},
    {"/orders/" ID "/lines", TB_ROUTE_LINES},
    {"/orders/" ID "/ship", TB_ROUTE_SHIP},
    {"/orders/" ID "/cancel", TB_ROUTE_CANCEL},
    {"/status", TB_ROUTE_STATUS},
    {"/link", TB_ROUTE_LINK},
    {"/livez", TB_ROUTE_LIVEZ},
    {"/readyz", TB_ROUTE_READYZ},
    {"/healthz", TB_ROUTE_HEALTHZ},
    {"/metrics", TB_ROUTE_METRICS},
    {"/", -1},
    {"", -1},
    {"/orders/", -1},
    {"/Orders", -1},
    {"/orders/{id}", -1},
    {"/orders/{id}/ship", -1},
    {"/orders/" ID "/", -1},
    {"/orders/" ID "/ship/", -1},
    {"/orders/" ID "x", -1},
    {"/orders/" ID "/other", -1},
    {"/orders/01a207ab6d5e71ecb6c158b7ea3e8654", -1},
    {"/orders/01a207ab-6d5e-71ec-b6c1-58b7ea3e865g", -1},
    {"/orders/stats/", -1},
    {"/dead-letters", -1},
    {"/rebuild", -1},
    {"/ws", -1},
    {"/nodes", -1},
};

START_TEST(path)
{
    char order_id[TB_UUID_SIZE];
    const struct tb_route *route = tb_route_find(tb_str_of(paths[_i].path), order_id);

    ck_assert_int_eq(route != NULL ? (int)route->id : -1, paths[_i].id);
    if (route != NULL && strchr(route->name, '{') != NULL)
        ck_assert_str_eq(order_id, ID); /* in lower case */
    else
        ck_assert_str_eq(order_id, "");
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
    tcase_add_test(tc, allow_tells_what_is_allowed);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
