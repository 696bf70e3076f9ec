#include "api/lookup.h"
#include "api/api_priv.h"
#include "api/cursor.h"
#include "api/delivery.h"
#include <signal.h>
#include <stdio.h>

struct listing {
    const struct tb_api_options *options;
    struct tb_buf *out;
    int64_t last_placed_at_ms;
    char last_order_id[TB_UUID_SIZE];
};

static void add_order(void *ctx, struct tb_str order_id, int64_t placed_at_ms, struct tb_str doc)
{
    struct listing *listing = ctx;

    if (listing->last_order_id[0] != '\0')
        tb_buf_addc(listing->out, ',');
    tb_buf_add_str(listing->out, doc);
    if (listing->options->query_outbox != NULL)
        tb_delivery_add(listing->options->query_outbox, listing->options->cursor_name, order_id,
                        listing->out);
    listing->last_placed_at_ms = placed_at_ms;
    (void)snprintf(listing->last_order_id, sizeof(listing->last_order_id), "%.*s",
                   (int)order_id.len, order_id.ptr);
}

/* The same question, its cursor replaced. */
static void add_link(struct tb_exchange *x, const char *cursor)
{
    struct tb_buf *out = &x->lookup.link;
    struct tb_str rest = x->query;

    tb_buf_adds(out, "</orders?");
    while (rest.len > 0) {
        const char *end = memchr(rest.ptr, '&', rest.len);
        size_t len = end != NULL ? (size_t)(end - rest.ptr) : rest.len;
        if (len > 0 && !(len >= 7 && memcmp(rest.ptr, "cursor=", 7) == 0)) {
            tb_buf_add(out, rest.ptr, len);
            tb_buf_addc(out, '&');
        }
        rest.ptr += len + (end != NULL);
        rest.len -= len + (end != NULL);
    }
    tb_buf_addf(out, "cursor=%s>; rel=\"next\"", cursor);
}

static enum tb_code run_list(const struct tb_api_options *options, struct tb_exchange *x,
                             struct tb_error *err)
{
    struct tb_view_reader *view = options->query_view;
    struct tb_buf *out = &x->lookup.answer.body;
    struct listing listing = {.options = options, .out = out};
    bool more = false;

    tb_buf_adds(out, "{\"orders\":[");
    TB_TRY(view->ops->list(view, &x->lookup.list, add_order, &listing, &more, err));
    tb_buf_addc(out, ']');
    if (more && listing.last_order_id[0] != '\0') {
        char cursor[TB_CURSOR_SIZE];
        tb_cursor_format(listing.last_placed_at_ms, listing.last_order_id, cursor);
        tb_json_member_str(out, "next", tb_str_of(cursor));
        add_link(x, cursor);
    }
    tb_buf_addc(out, '}');
    return TB_OK;
}

static void add_rows(struct tb_buf *out, const char *name, const struct tb_stats_row *rows,
                     size_t count, bool keyed)
{
    tb_json_member_key(out, name);
    tb_buf_addc(out, '[');
    for (size_t i = 0; i < count; i++) {
        tb_buf_adds(out, i > 0 ? ",{" : "{");
        if (keyed)
            tb_json_member_str(out, "key", tb_str_of(rows[i].key));
        tb_json_member_str(out, "currency", tb_str_of(rows[i].currency));
        tb_json_member_int(out, "orders", rows[i].orders);
        tb_json_member_int(out, "returns", rows[i].returns);
        tb_json_member_int(out, "cancelled", rows[i].cancelled);
        tb_json_member_int(out, "totalMinor", rows[i].total_minor);
        tb_buf_addc(out, '}');
    }
    tb_buf_addc(out, ']');
}

static enum tb_code run_stats(const struct tb_api_options *options, struct tb_exchange *x,
                              struct tb_error *err)
{
    struct tb_view_reader *view = options->query_view;
    struct tb_buf *out = &x->lookup.answer.body;
    struct tb_stats stats = {0};

    TB_TRY(view->ops->stats(view, &x->lookup.sums, &x->arena, &stats, err));
    tb_buf_addc(out, '{');
    tb_json_member_time(out, "asOf", x->lookup.as_of_ms);
    add_rows(out, "totals", stats.totals, stats.total_count, false);
    if (x->lookup.sums.group_by != TB_GROUP_NONE)
        add_rows(out, "groups", stats.groups, stats.group_count, true);
    tb_buf_addc(out, '}');
    return TB_OK;
}

/* Fills x's answer; the thread's step. */
static void run(const struct tb_api_options *options, struct tb_exchange *x)
{
    struct tb_lookup *lookup = &x->lookup;
    struct tb_error err = {0};
    enum tb_code code = lookup->stats ? run_stats(options, x, &err) : run_list(options, x, &err);

    lookup->answer.status = 200;
    if (code == TB_OK && (!tb_buf_ok(&lookup->answer.body) || !tb_buf_ok(&lookup->link)))
        code = tb_error_set(&err, TB_UNAVAILABLE, "out of memory");
    if (code == TB_OK)
        return;
    tb_answer_release(&lookup->answer);
    tb_buf_release(&lookup->link);
    tb_answer_failed(&lookup->answer, &err, NULL);
}

static struct tb_exchange *exchange_of(struct tb_mail *mail)
{
    return (struct tb_exchange *)(void *)((char *)mail - offsetof(struct tb_exchange, mail));
}

/* Query thread. Owns its readers. From others: tb_lookups_ask and tb_lookups_stop. */
static void *lookup_main(void *arg)
{
    struct tb_lookups *lookups = arg;

    for (;;) {
        struct tb_mail *mail = tb_mailbox_take(&lookups->box, 1);
        if (mail != NULL) {
            struct tb_exchange *x = exchange_of(mail);
            run(&lookups->api->options, x);
            tb_api_return(lookups->api, x);
            continue;
        }
        if (atomic_load(&lookups->ending))
            return NULL;
        tb_mailbox_wait(&lookups->box, -1);
    }
}

enum tb_code tb_lookups_start(struct tb_lookups *lookups, struct tb_api *api, struct tb_error *err)
{
    sigset_t all, before;

    lookups->api = api;
    tb_mailbox_init(&lookups->box, TB_LOOKUPS_MAX);
    /* Signals are for the thread that stops us, never for this one. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&lookups->thread, NULL, lookup_main, lookups);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    lookups->started = failed == 0;
    if (failed == 0)
        return TB_OK;
    tb_mailbox_release(&lookups->box);
    return tb_error_errno(err, TB_INTERNAL, failed, "cannot start the query thread");
}

void tb_lookups_stop(struct tb_lookups *lookups)
{
    if (!lookups->started)
        return;
    atomic_store(&lookups->ending, true);
    tb_mailbox_close(&lookups->box);
    (void)pthread_join(lookups->thread, NULL);
    tb_mailbox_release(&lookups->box);
    lookups->started = false;
}

bool tb_lookups_ask(struct tb_lookups *lookups, struct tb_exchange *x)
{
    return tb_mailbox_post(&lookups->box, &x->mail);
}
