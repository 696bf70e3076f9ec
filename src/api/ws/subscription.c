#include "api/ws/message.h"
#include "api/ws/ws_priv.h"
#include <stdlib.h>

/* Read at once from the news for one connection. */
#define CHANGES_AT_ONCE 32

static void add_fresh(struct tb_ws *ws, struct tb_ws_subscription *sub)
{
    if (sub->fresh)
        return;
    sub->fresh = true;
    sub->fresh_prev = NULL;
    sub->fresh_next = ws->fresh;
    if (sub->fresh_next != NULL)
        sub->fresh_next->fresh_prev = sub;
    ws->fresh = sub;
}

static void remove_fresh(struct tb_ws *ws, struct tb_ws_subscription *sub)
{
    if (!sub->fresh)
        return;
    sub->fresh = false;
    if (sub->fresh_prev != NULL)
        sub->fresh_prev->fresh_next = sub->fresh_next;
    else
        ws->fresh = sub->fresh_next;
    if (sub->fresh_next != NULL)
        sub->fresh_next->fresh_prev = sub->fresh_prev;
}

/* tb_waiter_on_version. Ends nobody: other waiters are being gone through. */
static void heard(void *ctx, struct tb_waiter *wait, int64_t version)
{
    struct tb_api *api = ctx;
    struct tb_ws_subscription *sub = (struct tb_ws_subscription *)(void *)wait;

    if (version == 0) {
        add_fresh(&api->ws, sub);
        return;
    }
    if (version <= sub->known)
        return;
    sub->known = version;
    sub->wait.min_version = version + 1;
    tb_ws_schedule(&api->ws, sub->conn);
}

static struct tb_ws_subscription *find(const struct tb_ws_conn *conn, const char *order_id)
{
    struct tb_ws_subscription *sub = conn->subs;

    while (sub != NULL && strcmp(sub->order_id, order_id) != 0)
        sub = sub->next;
    return sub;
}

static struct tb_ws_subscription *add_sub(struct tb_ws *ws, struct tb_ws_conn *conn,
                                          const char *order_id)
{
    struct tb_ws_subscription *sub = calloc(1, sizeof(*sub));

    if (sub == NULL)
        return NULL;
    memcpy(sub->order_id, order_id, TB_UUID_SIZE);
    sub->conn = conn;
    sub->wait.order_id = sub->order_id;
    sub->wait.min_version = 1;
    sub->wait.until_ms = INT64_MAX;
    sub->wait.heard = heard;
    sub->next = conn->subs;
    conn->subs = sub;
    conn->sub_count++;
    tb_waiters_add(&ws->api->waiters, &sub->wait);
    return sub;
}

enum tb_code tb_ws_subscribe(struct tb_ws *ws, struct tb_ws_conn *conn, const char *order_id)
{
    struct tb_ws_subscription *sub = find(conn, order_id);

    if (sub == NULL && conn->sub_count >= TB_WS_SUBSCRIPTIONS_MAX)
        return TB_BUSY;
    if (sub == NULL)
        sub = add_sub(ws, conn, order_id);
    if (sub == NULL)
        return TB_INTERNAL;
    sub->sent = 0; /* whoever asks again is told again */
    if (sub->known > 0)
        tb_ws_schedule(ws, conn);
    add_fresh(ws, sub); /* looked for after it waits: no version slips between */
    return TB_OK;
}

void tb_ws_subscribe_all(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    if (conn->follows)
        return;
    conn->follows = true;
    tb_waiters_add_reader(&ws->api->waiters);
    conn->place = tb_version_ring_end(&ws->api->waiters.news);
}

void tb_ws_unsubscribe_all(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    for (struct tb_ws_subscription *sub = conn->subs, *next = NULL; sub != NULL; sub = next) {
        next = sub->next;
        tb_waiters_remove(&ws->api->waiters, &sub->wait);
        remove_fresh(ws, sub);
        free(sub);
    }
    conn->subs = NULL;
    conn->sub_count = 0;
    if (conn->follows)
        tb_waiters_remove_reader(&ws->api->waiters);
    conn->follows = false;
}

static void write_ready(struct tb_ws *ws, struct tb_ws_conn *conn, bool of_all,
                        const char *order_id, int64_t version)
{
    tb_buf_clear(&ws->text);
    tb_ws_add_ready(&ws->text, of_all, order_id, version);
    if (tb_buf_ok(&ws->text))
        tb_ws_write(&ws->writer, &conn->out, TB_WS_TEXT, tb_buf_str(&ws->text));
    else
        conn->out.failed = true;
}

static bool is_full(const struct tb_ws_conn *conn)
{
    return conn->out.len >= TB_WS_OUT_MAX;
}

bool tb_ws_write_changes(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    struct tb_version_change news[CHANGES_AT_ONCE];
    size_t count = 1;

    for (struct tb_ws_subscription *sub = conn->subs; sub != NULL && !is_full(conn);
         sub = sub->next) {
        if (sub->known <= sub->sent)
            continue;
        write_ready(ws, conn, false, sub->order_id, sub->known);
        sub->sent = sub->known;
    }
    while (conn->follows && count > 0 && !is_full(conn)) {
        if (!tb_version_ring_read(&ws->api->waiters.news, &conn->place, news, CHANGES_AT_ONCE,
                                  &count))
            return false;
        for (size_t i = 0; i < count; i++)
            write_ready(ws, conn, true, news[i].order_id, news[i].version);
    }
    return true;
}

bool tb_ws_has_changes(const struct tb_ws *ws, const struct tb_ws_conn *conn)
{
    for (const struct tb_ws_subscription *sub = conn->subs; sub != NULL; sub = sub->next) {
        if (sub->known > sub->sent)
            return true;
    }
    return conn->follows && conn->place != tb_version_ring_end(&ws->api->waiters.news);
}

size_t tb_ws_take_initial_reads(struct tb_ws *ws, char (*ret_ids)[TB_UUID_SIZE], size_t max)
{
    size_t count = 0;

    while (ws->fresh != NULL && count < max) {
        memcpy(ret_ids[count++], ws->fresh->order_id, TB_UUID_SIZE);
        remove_fresh(ws, ws->fresh);
    }
    return count;
}

void tb_ws_read_initial(struct tb_ws *ws)
{
    struct tb_view_reader *view = ws->api->options.here.view;
    TB_CLEANUP(tb_buf_release) struct tb_buf doc = {0};

    if (ws->api->now_ms < ws->look_ms)
        return;
    for (int i = 0; i < TB_WS_INITIAL_READS_MAX && ws->fresh != NULL; i++) {
        struct tb_ws_subscription *sub = ws->fresh;
        struct tb_error err = {0};
        int64_t version = 0;

        tb_buf_clear(&doc);
        enum tb_code code = view->ops->get(view, tb_str_of(sub->order_id), &doc, &version, &err);
        if (code != TB_OK && code != TB_NOT_FOUND) {
            ws->look_ms = ws->api->now_ms + TB_VIEW_POLL_MS; /* as often as a view elsewhere */
            return;
        }
        remove_fresh(ws, sub);
        if (code == TB_OK)
            heard(ws->api, &sub->wait, version);
    }
}
