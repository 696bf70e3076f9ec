#include "api/context.h"
#include "api/http/problem.h"

bool tb_find_elsewhere(struct tb_api *api, struct tb_lookups *pool, struct tb_exchange *x,
                       tb_find *find)
{
    x->lookup.asked = true;
    x->lookup.find = find;
    tb_flight_begin(api, x);
    if (tb_lookups_ask(pool, x))
        return true;
    tb_flight_cancel(api, x);
    return false;
}

void tb_find_in(struct tb_api *api, struct tb_lookups *pool, struct tb_exchange *x, tb_find *find)
{
    if (!tb_find_elsewhere(api, pool, x, find))
        tb_refuse_for_now(&x->reply, 503, 1, "Too much is asked for at once.");
}

void tb_find_quickly(struct tb_api *api, struct tb_exchange *x, tb_find *find)
{
    const struct tb_asker *here = &api->options.here;

    if (here->view != NULL)
        find(api, here, x, &x->reply);
    else
        tb_find_in(api, &api->singles, x, find);
}
