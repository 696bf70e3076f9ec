#include "api/handlers/context.h"
#include "api/handlers/cursor.h"
#include "api/http/acceptor.h"
#include "api/http/conn.h"
#include "api/http/problem.h"
#include "api/http/query_string.h"
#include <stdio.h>

_Static_assert(TB_PEER_TEXT_SIZE <= TB_NODE_RETIRED_BY_SIZE, "a client's address fits");

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 500
/* heldBackBy and retiredSending list at most this many nodes; GET /nodes lists all. */
#define NAMES_MAX 100
/* /metrics has series for no more nodes, so that a large fleet does not burden Prometheus. */
#define WORST_MAX 20

static enum tb_code read_nodes(const struct tb_api *api, struct tb_arena *arena,
                               struct tb_node_report_list *ret_list, struct tb_error *err)
{
    const struct tb_api_options *options = &api->options;

    return options->central->nodes(options->ctx, tb_clock_wall_ms(options->clock), arena, ret_list,
                                   err);
}

static enum tb_code read_details(const struct tb_api *api, struct tb_arena *arena,
                                 struct tb_node_report *nodes, size_t count, struct tb_error *err)
{
    const struct tb_api_options *options = &api->options;

    return options->central->node_details(options->ctx, tb_clock_wall_ms(options->clock), arena,
                                          nodes, count, err);
}

static void add_time(struct tb_buf *out, const char *key, int64_t time_ms)
{
    if (time_ms > 0)
        tb_json_member_time(out, key, time_ms);
}

static void add_text(struct tb_buf *out, const char *key, const char *text)
{
    if (text[0])
        tb_json_member_str(out, key, tb_str_of(text));
}

static void add_epoch(struct tb_buf *out, const struct tb_epoch_report *epoch)
{
    tb_json_open(out, NULL, '{');
    tb_json_member_str(out, "epoch", tb_str_of(epoch->epoch));
    tb_json_member_int(out, "completeThrough", epoch->complete_through);
    tb_json_member_int(out, "lastSequence", epoch->last_sequence);
    tb_json_open(out, "holes", '[');
    for (size_t i = 0; i < epoch->hole_count; i++)
        tb_buf_addf(out, "%s[%lld,%lld]", i > 0 ? "," : "", (long long)epoch->holes[i].from,
                    (long long)epoch->holes[i].to);
    tb_buf_adds(out, "]}");
}

static void add_node(struct tb_buf *out, const struct tb_node_report *node)
{
    tb_json_open(out, NULL, '{');
    tb_json_member_str(out, "node", tb_str_of(node->node));
    tb_json_member_str(out, "state", tb_str_of(tb_node_state_name(node->state)));
    add_time(out, "retiredAt", node->retired.at_ms);
    add_text(out, "retiredBy", node->retired.by);
    if (node->sends)
        tb_json_member_bool(out, "sends", true);
    add_time(out, "lastSeenAt", node->last_seen_at_ms);
    add_time(out, "completeThroughAt", node->complete_through_at_ms);
    add_text(out, "completeThroughDate", node->complete_through_date);
    add_text(out, "businessDate", node->business_date);
    add_time(out, "dayEndsAt", node->day_ends_at_ms);
    if (node->pending >= 0)
        tb_json_member_int(out, "pending", node->pending);
    add_time(out, "oldestPendingAt", node->oldest_pending_at_ms);
    if (node->has_clock_offset)
        tb_json_member_int(out, "clockOffsetMs", node->clock_offset_ms);
    tb_json_member_int(out, "lateOrders", node->late_orders);
    if (node->conflicts > 0)
        tb_json_member_int(out, "conflicts", node->conflicts);
    if (node->parked > 0)
        tb_json_member_int(out, "parked", node->parked);
    add_text(out, "version", node->version);
    tb_json_open(out, "epochs", '[');
    for (size_t i = 0; i < node->epoch_count; i++)
        add_epoch(out, &node->epochs[i]);
    tb_buf_adds(out, "]}");
}

/* Which nodes a page shows. */
struct page {
    bool has_state;
    enum tb_node_state state;
    int limit;
    char after[TB_HEARTBEAT_NODE_SIZE]; /* only nodes behind this one; "": from the first one */
};

static bool read_state(struct tb_request *req, struct page *page)
{
    struct tb_str text = tb_param(req->params, "state");
    char names[80] = "one of";
    size_t len = strlen(names);

    page->has_state = text.ptr;
    for (size_t state = 0; state < TB_NODE_STATE_COUNT; state++) {
        const char *name = tb_node_state_name((enum tb_node_state)state);

        page->state = (enum tb_node_state)state;
        if (!text.ptr || tb_str_is(text, name))
            return true;
        len += (size_t)snprintf(names + len, sizeof names - len, " %s", name);
    }
    return tb_param_refuse(req, "state", names);
}

bool tb_nodes_read(struct tb_request *req)
{
    struct page *page = tb_request_data(req, sizeof *page);
    struct tb_str cursor;

    if (!page)
        return false;
    cursor = tb_param(req->params, "cursor");
    return read_state(req, page) && tb_param_limit(req, LIMIT_DEFAULT, LIMIT_MAX, &page->limit) &&
           (!cursor.ptr || tb_node_cursor_parse(cursor, page->after) ||
            tb_param_refuse(req, "cursor", "one that a list gave as next"));
}

/* Returns how many nodes are retired and send. */
static int64_t count_states(const struct tb_node_report_list *list,
                            int64_t ret_counts[TB_NODE_STATE_COUNT])
{
    int64_t sending = 0;

    memset(ret_counts, 0, TB_NODE_STATE_COUNT * sizeof *ret_counts);
    for (size_t i = 0; i < list->count; i++) {
        ret_counts[list->nodes[i].state]++;
        sending += list->nodes[i].sends;
    }
    return sending;
}

static void add_state_counts(struct tb_buf *out, const int64_t counts[TB_NODE_STATE_COUNT])
{
    for (size_t state = 0; state < TB_NODE_STATE_COUNT; state++)
        tb_json_member_int(out, tb_node_state_name((enum tb_node_state)state), counts[state]);
}

/* Of all nodes, whatever the page shows. */
static void add_summary(struct tb_buf *out, const struct tb_node_report_list *list)
{
    int64_t counts[TB_NODE_STATE_COUNT];

    count_states(list, counts);
    tb_json_open(out, "summary", '{');
    tb_json_member_int(out, "nodes", (int64_t)list->count);
    add_state_counts(out, counts);
    tb_buf_addc(out, '}');
}

/* Moves the nodes of the page to the start of the list, and removes all others. True: further
 * nodes follow behind the page. */
static bool cut_page(struct tb_node_report_list *list, const struct page *page)
{
    size_t all = list->count;

    list->count = 0;
    for (size_t i = 0; i < all; i++) {
        const struct tb_node_report *node = &list->nodes[i];

        if (strcmp(node->node, page->after) <= 0 ||
            (page->has_state && node->state != page->state))
            continue;
        if (list->count == (size_t)page->limit)
            return true;
        list->nodes[list->count++] = *node;
    }
    return false;
}

/* A page ends early before it would be larger than TB_PAGE_BYTES_MAX, but has one node at least.
 * Returns how many nodes it has. */
static size_t add_page(struct tb_buf *out, const struct tb_node_report_list *list)
{
    size_t before, i;

    for (i = 0; i < list->count; i++) {
        before = out->len;
        add_node(out, &list->nodes[i]);
        if (i > 0 && out->len > TB_PAGE_BYTES_MAX) {
            out->len = before;
            break;
        }
    }
    return i;
}

enum tb_code tb_nodes_query(struct tb_api *api, const struct tb_query_context *context,
                            struct tb_request *req, struct tb_reply *reply, struct tb_error *err)
{
    const struct page *page = req->handler_data;
    struct tb_buf *out = &reply->answer.body;
    char cursor[TB_PAGE_CURSOR_SIZE] = "";
    struct tb_node_report_list list = {0};
    size_t shown;
    bool more;

    (void)context; /* the nodes are not in the view */
    TB_TRY(read_nodes(api, &req->arena, &list, err));
    tb_buf_addc(out, '{');
    add_summary(out, &list);
    more = cut_page(&list, page);
    if (list.count > 0)
        TB_TRY(read_details(api, &req->arena, list.nodes, list.count, err));
    tb_json_open(out, "nodes", '[');
    shown = add_page(out, &list);
    if (shown < list.count || more)
        tb_node_cursor_format(list.nodes[shown - 1].node, cursor);
    return tb_list_end(req, cursor, reply, err);
}

static bool holds_back(const struct tb_node_report *node)
{
    return node->state != TB_NODE_CURRENT && node->state != TB_NODE_RETIRED;
}

static bool sends_though_retired(const struct tb_node_report *node)
{
    return node->sends;
}

static void add_names(struct tb_buf *out, const char *key, const struct tb_node_report_list *list,
                      bool (*is_named)(const struct tb_node_report *node))
{
    size_t named = 0;

    tb_json_open(out, key, '[');
    for (size_t i = 0; i < list->count && named < NAMES_MAX; i++) {
        if (!is_named(&list->nodes[i]))
            continue;
        named++;
        tb_json_separate(out);
        tb_json_add_string(out, tb_str_of(list->nodes[i].node));
    }
    tb_buf_addc(out, ']');
}

enum tb_code tb_nodes_add_completeness(struct tb_api *api, struct tb_arena *arena,
                                       struct tb_buf *out, struct tb_error *err)
{
    struct tb_node_report_list list = {0};

    TB_TRY(read_nodes(api, arena, &list, err));
    tb_json_member_time(out, "asOf", tb_clock_wall_ms(api->options.clock));
    add_time(out, "completeThrough", tb_nodes_complete_through_ms(&list));
    add_text(out, "completeThroughDate", tb_nodes_complete_through_date(&list));
    add_names(out, "heldBackBy", &list, holds_back);
    return TB_OK;
}

enum tb_code tb_nodes_add_status(const struct tb_api *api, struct tb_arena *arena,
                                 struct tb_buf *out, struct tb_error *err)
{
    struct tb_node_report_list list = {0};
    int64_t counts[TB_NODE_STATE_COUNT];
    int64_t sending;

    TB_TRY(read_nodes(api, arena, &list, err));
    sending = count_states(&list, counts);
    tb_json_open(out, "nodes", '{');
    add_state_counts(out, counts);
    tb_buf_addc(out, '}');
    if (sending > 0)
        add_names(out, "retiredSending", &list, sends_though_retired);
    return TB_OK;
}

/* What a person decides about a node. */
struct decision {
    char node[TB_NODE_MAX + 1];
    bool retires; /* false: it is put back */
    struct tb_node_retirement retired;
};

static struct tb_node_report *find_node(const struct tb_node_report_list *list, const char *name)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->nodes[i].node, name) == 0)
            return &list->nodes[i];
    }
    return NULL;
}

enum tb_code tb_node_retire_query(struct tb_api *api, const struct tb_query_context *context,
                                  struct tb_request *req, struct tb_reply *reply,
                                  struct tb_error *err)
{
    struct decision *decision = req->handler_data;
    const struct tb_api_options *options = &api->options;
    struct tb_node_report_list list = {0};
    struct tb_node_report *node;

    (void)context; /* the nodes are not in the view */
    decision->retired.at_ms = tb_clock_wall_ms(options->clock);
    TB_TRY(options->central->retire(options->ctx, decision->node,
                                    decision->retires ? &decision->retired : NULL,
                                    decision->retired.by, err));
    TB_TRY(read_nodes(api, &req->arena, &list, err));
    node = find_node(&list, decision->node);
    if (!node)
        return tb_error_set(err, TB_UNAVAILABLE, "The database has lost the node meanwhile.");
    TB_TRY(read_details(api, &req->arena, node, 1, err));
    add_node(&reply->answer.body, node);
    return TB_OK;
}

static bool read_decision(struct tb_request *req, bool retires)
{
    struct decision *decision = tb_request_data(req, sizeof *decision);

    if (!decision || !tb_params_read(req, ""))
        return false;
    decision->retires = retires;
    tb_socket_peer_text(req->conn->fd, decision->retired.by);
    if (!tb_node_name_valid(req->path_id))
        tb_refuse(&req->reply, 404, "No node has such a name.");
    else if (req->body.len > 0)
        tb_refuse(&req->reply, 422, "It takes no body.");
    else
        memcpy(decision->node, req->path_id.ptr, req->path_id.len);
    return !tb_reply_filled(&req->reply);
}

bool tb_node_retire_read(struct tb_request *req)
{
    return read_decision(req, true);
}

bool tb_node_unretire_read(struct tb_request *req)
{
    return read_decision(req, false);
}

static void add_states(struct tb_buf *out, const struct tb_node_report_list *list)
{
    static const char name[] = "tillbox_nodes";
    int64_t counts[TB_NODE_STATE_COUNT];
    int64_t sending = count_states(list, counts);
    char labels[64];

    tb_metric_head(out, name, "gauge", "Nodes by state.");
    for (size_t state = 0; state < TB_NODE_STATE_COUNT; state++) {
        snprintf(labels, sizeof labels, "{state=\"%s\"}",
                 tb_node_state_name((enum tb_node_state)state));
        tb_metric_int(out, name, labels, counts[state]);
    }
    tb_metric_gauge(out, "tillbox_nodes_retired_sending",
                    "Nodes that are retired and have sent something since, within a day.",
                    sending);
}

/* Whether a person should rather look at node a: its state is worse, or it is silent longer. */
static bool is_worse(const struct tb_node_report *a, const struct tb_node_report *b)
{
    return a->state != b->state ? a->state > b->state : a->last_seen_at_ms < b->last_seen_at_ms;
}

/* Lists the worst nodes that have been seen and are not retired, the worst one first. */
static size_t pick_worst(const struct tb_node_report_list *list,
                         const struct tb_node_report **ret_worst)
{
    size_t count = 0;

    for (size_t i = 0; i < list->count; i++) {
        const struct tb_node_report *node = &list->nodes[i];
        size_t at = count;

        if (node->last_seen_at_ms <= 0 || node->state == TB_NODE_RETIRED)
            continue;
        for (; at > 0 && is_worse(node, ret_worst[at - 1]); at--) {
            if (at < WORST_MAX)
                ret_worst[at] = ret_worst[at - 1];
        }
        if (at < WORST_MAX)
            ret_worst[at] = node;
        count += count < WORST_MAX;
    }
    return count;
}

void tb_nodes_metrics(const struct tb_api *api, struct tb_arena *arena, struct tb_buf *out)
{
    static const char seen[] = "tillbox_node_last_seen_timestamp_seconds";
    const struct tb_node_report *worst[WORST_MAX];
    struct tb_node_report_list list = {0};
    struct tb_error err = {0};
    char labels[64];
    size_t count;

    if (read_nodes(api, arena, &list, &err) != TB_OK)
        return;
    add_states(out, &list);
    count = pick_worst(&list, worst);
    tb_metric_head(out, seen, "gauge",
                   "When the last heartbeat of a node came, for the 20 worst nodes.");
    for (size_t i = 0; i < count; i++) {
        snprintf(labels, sizeof labels, "{node=\"%s\"}", worst[i]->node);
        tb_metric_seconds_from_ms(out, seen, labels, worst[i]->last_seen_at_ms);
    }
}
