#include "api/routes.h"

#define GET_ONLY "GET, HEAD, OPTIONS"

#define EDGE TB_ROLE_EDGE
#define CENTRAL TB_ROLE_CENTRAL
#define BOTH (TB_ROLE_EDGE | TB_ROLE_CENTRAL)

/* A question: GET and what goes with it. */
#define QUESTION(id, roles, name)                                                                 \
    {                                                                                             \
        id, roles, name, GET_ONLY, true, false, false, false, TB_CMD_COUNT                        \
    }

static const struct tb_route routes[TB_ROUTE_COUNT] = {
    {TB_ROUTE_ORDERS, EDGE, "/orders", "GET, HEAD, POST, OPTIONS", true, true, false, false,
     TB_CMD_PLACE},
    QUESTION(TB_ROUTE_ORDERS_READ, CENTRAL, "/orders"),
    QUESTION(TB_ROUTE_STATS, BOTH, "/orders/stats"),
    QUESTION(TB_ROUTE_DIGESTS, BOTH, "/orders/digests"),
    QUESTION(TB_ROUTE_ORDER, BOTH, "/orders/{id}"),
    {TB_ROUTE_ADDRESS, EDGE, "/orders/{id}/address", "PUT, OPTIONS", false, false, true, false,
     TB_CMD_ADDRESS},
    {TB_ROUTE_LINES, EDGE, "/orders/{id}/lines", "PUT, OPTIONS", false, false, true, false,
     TB_CMD_LINES},
    {TB_ROUTE_SHIP, EDGE, "/orders/{id}/ship", "POST, OPTIONS", false, true, false, false,
     TB_CMD_SHIP},
    {TB_ROUTE_CANCEL, EDGE, "/orders/{id}/cancel", "POST, OPTIONS", false, true, false, false,
     TB_CMD_CANCEL},
    QUESTION(TB_ROUTE_LETTERS, BOTH, "/dead-letters"),
    {TB_ROUTE_LETTERS_REPLAY, BOTH, "/dead-letters/replay", "POST, OPTIONS", false, true, false,
     false, TB_CMD_COUNT},
    {TB_ROUTE_LETTER, BOTH, "/dead-letters/{id}", "GET, HEAD, DELETE, OPTIONS", true, false, false,
     true, TB_CMD_COUNT},
    {TB_ROUTE_LETTER_REPLAY, BOTH, "/dead-letters/{id}/replay", "POST, OPTIONS", false, true,
     false, false, TB_CMD_COUNT},
    QUESTION(TB_ROUTE_NODES, CENTRAL, "/nodes"),
    QUESTION(TB_ROUTE_STATUS, BOTH, "/status"),
    QUESTION(TB_ROUTE_WS, BOTH, "/ws"),
    {TB_ROUTE_LINK, EDGE, "/link", "PUT, OPTIONS", false, false, true, false, TB_CMD_COUNT},
    {TB_ROUTE_REBUILD, BOTH, "/rebuild", "GET, HEAD, POST, OPTIONS", true, true, false, false,
     TB_CMD_COUNT},
    QUESTION(TB_ROUTE_LIVEZ, BOTH, "/livez"),
    QUESTION(TB_ROUTE_READYZ, BOTH, "/readyz"),
    QUESTION(TB_ROUTE_HEALTHZ, BOTH, "/healthz"),
    QUESTION(TB_ROUTE_METRICS, BOTH, "/metrics"),
};

#define ID_PREFIX "/orders/"
#define ID_PREFIX_LEN (sizeof(ID_PREFIX) - 1)
#define TEMPLATE_LEN (sizeof("/orders/{id}") - 1)

static const struct tb_route *find_of_order(struct tb_str path, char ret_order_id[TB_UUID_SIZE])
{
    char order_id[TB_UUID_SIZE];
    struct tb_str rest = {path.ptr + ID_PREFIX_LEN, path.len - ID_PREFIX_LEN};

    if (rest.len < TB_UUID_LEN || !tb_uuid_parse((struct tb_str){rest.ptr, TB_UUID_LEN}, order_id))
        return NULL;
    rest.ptr += TB_UUID_LEN;
    rest.len -= TB_UUID_LEN;
    for (int i = TB_ROUTE_ORDER; i <= TB_ROUTE_CANCEL; i++) {
        if (tb_str_eq(tb_str_of(routes[i].name + TEMPLATE_LEN), rest)) {
            memcpy(ret_order_id, order_id, TB_UUID_SIZE);
            return &routes[i];
        }
    }
    return NULL;
}

#define LETTER_PREFIX "/dead-letters/"
#define LETTER_PREFIX_LEN (sizeof(LETTER_PREFIX) - 1)

static const struct tb_route *find_of_letter(struct tb_str path)
{
    struct tb_str rest = {path.ptr + LETTER_PREFIX_LEN, path.len - LETTER_PREFIX_LEN};
    size_t id_len = 0;

    while (id_len < rest.len && rest.ptr[id_len] != '/')
        id_len++;
    rest.ptr += id_len;
    rest.len -= id_len;
    if (id_len > 0 && rest.len == 0)
        return &routes[TB_ROUTE_LETTER];
    if (id_len > 0 && tb_str_eq(rest, TB_STR("/replay")))
        return &routes[TB_ROUTE_LETTER_REPLAY];
    return NULL;
}

const struct tb_route *tb_route_find(struct tb_str path, enum tb_role role,
                                     char ret_order_id[TB_UUID_SIZE])
{
    const struct tb_route *found = NULL;

    ret_order_id[0] = '\0';
    for (int i = 0; i < TB_ROUTE_COUNT; i++) {
        if (tb_str_eq(tb_str_of(routes[i].name), path) && strchr(routes[i].name, '{') == NULL &&
            (found == NULL || (routes[i].roles & role)))
            found = &routes[i];
    }
    if (found == NULL && path.len > ID_PREFIX_LEN &&
        memcmp(path.ptr, ID_PREFIX, ID_PREFIX_LEN) == 0)
        found = find_of_order(path, ret_order_id);
    if (found == NULL && path.len > LETTER_PREFIX_LEN &&
        memcmp(path.ptr, LETTER_PREFIX, LETTER_PREFIX_LEN) == 0)
        found = find_of_letter(path);
    return found;
}

const struct tb_route *tb_route_of(enum tb_route_id id)
{
    return &routes[id];
}

bool tb_route_allows(const struct tb_route *route, enum tb_method method)
{
    switch (method) {
    case TB_GET:
    case TB_HEAD:
        return route->get;
    case TB_POST:
        return route->post;
    case TB_PUT:
        return route->put;
    case TB_OPTIONS:
        return true;
    case TB_DELETE:
        return route->delete;
    case TB_METHOD_OTHER:
        break;
    }
    return false;
}
