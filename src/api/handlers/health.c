#include "api/handlers/context.h"
#include "api/http/problem.h"
#include <stdio.h>

#define CHECKS_MAX 5

/* A check passes or says what is wrong. Offline is not wrong: it is an edge's job. */
struct check {
    const char *name;
    bool ok;
    char detail[240];
};

static struct check check_writer(const struct tb_api *api)
{
    struct check check = {.name = "store", .ok = tb_writer_healthy(api->options.edge->writer)};

    if (!check.ok)
        (void)snprintf(check.detail, sizeof(check.detail), "the store cannot be written");
    return check;
}

static struct check check_outbox(const struct tb_api *api, const struct tb_query_context *context)
{
    struct tb_outbox_status figures = {0};
    struct tb_error err = {0};
    struct check check = {.name = "outbox"};

    check.ok = tb_outbox_read_status(context->outbox, api->options.edge->cursor_name, &figures,
                                     &err) == TB_OK;
    (void)snprintf(check.detail, sizeof(check.detail), "%s", err.text);
    return check;
}

/* An order that nobody has tells that the view can be read. */
static struct check check_view(const struct tb_query_context *context)
{
    struct tb_str nobody = TB_STR("00000000-0000-0000-0000-000000000000");
    TB_CLEANUP(tb_buf_release) struct tb_buf doc = {0};
    struct tb_error err = {0};
    struct check check = {.name = "view"};
    int64_t version = 0;

    enum tb_code code = context->view->ops->get(context->view, nobody, &doc, &version, &err);
    check.ok = code == TB_OK || code == TB_NOT_FOUND;
    (void)snprintf(check.detail, sizeof(check.detail), "%s", err.text);
    return check;
}

static struct check check_disk(const struct tb_api *api)
{
    const struct tb_api_edge *edge = api->options.edge;
    int64_t free_bytes = edge->disk_free(api->options.ctx);
    struct check check = {.name = "disk"};

    check.ok = free_bytes < 0 || free_bytes >= edge->disk_reserve_bytes;
    if (!check.ok)
        (void)snprintf(check.detail, sizeof(check.detail),
                       "the reserve is reached: orders are refused with 507");
    return check;
}

static struct check check_log(struct tb_api *api, const struct tb_query_context *context)
{
    struct tb_view_progress figures;
    struct tb_error err = {0};
    struct check check = {.name = "log"};

    check.ok = tb_view_progress_read(api, context, &figures, &err) == TB_OK && figures.lag_known;
    if (!check.ok)
        (void)snprintf(check.detail, sizeof(check.detail), "how far the log goes is not known");
    return check;
}

static struct check check_consumer(const struct tb_api *api)
{
    const struct tb_api_options *options = &api->options;
    struct tb_consumer_stats *stats = (struct tb_consumer_stats *)(uintptr_t)options->consumer;
    struct check check = {.name = "consumer", .ok = !atomic_load(&stats->failing)};

    if (!check.ok && options->central != NULL)
        options->central->problem(options->ctx, check.detail);
    if (!check.ok && check.detail[0] == '\0')
        (void)snprintf(check.detail, sizeof(check.detail), "the view is not being filled");
    return check;
}

/* Alive: the api thread answers. Ready: orders can be taken, where they are, and read. Healthy:
 * all is well. */
static size_t check_all(struct tb_api *api, const struct tb_query_context *context, bool health,
                        struct check checks[CHECKS_MAX])
{
    bool edge = api->options.edge != NULL;
    size_t count = 0;

    if (edge) {
        checks[count++] = check_writer(api);
        checks[count++] = check_outbox(api, context);
    }
    checks[count++] = check_view(context);
    if (health)
        checks[count++] = edge ? check_disk(api) : check_log(api, context);
    if (health)
        checks[count++] = check_consumer(api);
    return count;
}

static void add_check(struct tb_buf *out, const struct check *check)
{
    tb_json_member_key(out, check->name);
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "status", check->ok ? TB_STR("pass") : TB_STR("fail"));
    if (!check->ok)
        tb_json_member_str(out, "detail", tb_str_of(check->detail));
    tb_buf_addc(out, '}');
}

static void tell(const struct check *checks, size_t count, struct tb_reply *reply)
{
    struct tb_buf *out = &reply->answer.body;
    bool ok = true;

    for (size_t i = 0; i < count; i++)
        ok = ok && checks[i].ok;
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "status", ok ? TB_STR("pass") : TB_STR("fail"));
    tb_json_member_key(out, "checks");
    tb_buf_addc(out, '{');
    for (size_t i = 0; i < count; i++)
        add_check(out, &checks[i]);
    tb_buf_adds(out, "}}");
    reply->content_type = "application/json";
    tb_reply_done(reply, ok ? 200 : 503);
    if (!ok)
        reply->answer.retry_after_s = 1;
}

static void query_readiness(struct tb_api *api, const struct tb_query_context *context,
                            struct tb_request *req, struct tb_reply *reply)
{
    struct check checks[CHECKS_MAX];

    (void)req;
    tell(checks, check_all(api, context, /* health= */ false, checks), reply);
}

static void query_health(struct tb_api *api, const struct tb_query_context *context,
                         struct tb_request *req, struct tb_reply *reply)
{
    struct check checks[CHECKS_MAX];

    (void)req;
    tell(checks, check_all(api, context, /* health= */ true, checks), reply);
}

void tb_livez_serve(struct tb_api *api, struct tb_request *req)
{
    (void)api;
    tell(NULL, 0, &req->reply);
}

void tb_readyz_serve(struct tb_api *api, struct tb_request *req)
{
    tb_query_submit(&api->singles, req, query_readiness);
}

void tb_healthz_serve(struct tb_api *api, struct tb_request *req)
{
    tb_query_submit(&api->singles, req, query_health);
}
