#include "api/context.h"
#include "api/http/problem.h"

bool tb_query_try_submit(struct tb_api *api, struct tb_query_pool *pool, struct tb_request *req,
                         tb_query_fn *find)
{
    req->view_query.asked = true;
    req->view_query.find = find;
    tb_inflight_add(api, req);
    if (tb_query_pool_add(pool, req))
        return true;
    tb_inflight_remove(api, req);
    return false;
}

void tb_query_submit(struct tb_api *api, struct tb_query_pool *pool, struct tb_request *req,
                     tb_query_fn *find)
{
    if (!tb_query_try_submit(api, pool, req, find))
        tb_refuse_for_now(&req->reply, 503, 1, "Too much is asked for at once.");
}

void tb_query_run_or_submit(struct tb_api *api, struct tb_request *req, tb_query_fn *find)
{
    const struct tb_query_context *here = &api->options.here;

    if (here->view != NULL)
        find(api, here, req, &req->reply);
    else
        tb_query_submit(api, &api->singles, req, find);
}
