#include "api/api_priv.h"
#include "api/problem.h"
#include <stdio.h>

/* A check passes or says what is wrong. Offline is not wrong: it is an edge's job. */
struct check {
    const char *name;
    bool ok;
    char detail[240];
};

static struct check check_writer(struct tb_api *api)
{
    struct check check = {.name = "store", .ok = tb_writer_healthy(api->options.writer)};

    if (!check.ok)
        (void)snprintf(check.detail, sizeof(check.detail), "the store cannot be written");
    return check;
}

static struct check check_outbox(struct tb_api *api)
{
    struct tb_outbox_figures figures = {0};
    struct tb_error err = {0};
    struct check check = {.name = "outbox"};

    check.ok =
        tb_outbox_figures(api->options.outbox, api->options.cursor_name, &figures, &err) == TB_OK;
    (void)snprintf(check.detail, sizeof(check.detail), "%s", err.text);
    return check;
}

static struct check check_view(struct tb_api *api)
{
    struct tb_view_reader *view = api->options.view;
    struct tb_error err = {0};
    struct check check = {.name = "view"};
    int64_t next = 0;

    check.ok = view->ops->offset(view, 0, &next, &err) == TB_OK;
    (void)snprintf(check.detail, sizeof(check.detail), "%s", err.text);
    return check;
}

static struct check check_disk(struct tb_api *api)
{
    int64_t free_bytes = api->options.disk_free(api->options.ctx);
    struct check check = {.name = "disk"};

    check.ok = free_bytes < 0 || free_bytes >= api->options.disk_reserve_bytes;
    if (!check.ok)
        (void)snprintf(check.detail, sizeof(check.detail),
                       "the reserve is reached: orders are refused with 507");
    return check;
}

static struct check check_consumer(struct tb_api *api)
{
    struct tb_consumer_stats *stats = (struct tb_consumer_stats *)(uintptr_t)api->options.consumer;
    struct check check = {.name = "consumer", .ok = !atomic_load(&stats->failing)};

    if (!check.ok)
        (void)snprintf(check.detail, sizeof(check.detail), "the view is not being filled");
    return check;
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

void tb_health_serve(struct tb_api *api, struct tb_exchange *x)
{
    struct tb_buf *out = &x->reply.answer.body;
    struct check checks[5];
    size_t count = 0;
    bool ok = true;

    /* Alive: this thread answers. Ready: orders can be taken and read. Healthy: all is well. */
    if (x->route->id != TB_ROUTE_LIVEZ) {
        checks[count++] = check_writer(api);
        checks[count++] = check_outbox(api);
        checks[count++] = check_view(api);
    }
    if (x->route->id == TB_ROUTE_HEALTHZ) {
        checks[count++] = check_disk(api);
        checks[count++] = check_consumer(api);
    }
    for (size_t i = 0; i < count; i++)
        ok = ok && checks[i].ok;
    tb_buf_addc(out, '{');
    tb_json_member_str(out, "status", ok ? TB_STR("pass") : TB_STR("fail"));
    tb_json_member_key(out, "checks");
    tb_buf_addc(out, '{');
    for (size_t i = 0; i < count; i++)
        add_check(out, &checks[i]);
    tb_buf_adds(out, "}}");
    x->reply.content_type = "application/json";
    tb_reply_done(x, ok ? 200 : 503);
    if (!ok)
        x->reply.answer.retry_after_s = 1;
}
