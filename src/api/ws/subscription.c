#include "api/ws/conn.h"
#include "api/ws/message.h"
#include "base/hash.h"
#include <stdlib.h>

/* Changes that are copied out of the version ring at once. */
#define CHANGES_AT_ONCE 32
/* The table of a connection grows when its buckets have this many subscriptions on average. */
#define LOAD_MAX 4
#define GROWTH 4
/* When the view could not be read, it is read again after this. */
#define RETRY_MS 500

static struct tb_ws *ws_of(const struct tb_ws_subscription *subscription)
{
    return subscription->conn->ws;
}

static void add_initial_read(struct tb_ws_subscription *subscription)
{
    if (!tb_list_is_linked(&subscription->initial_node))
        tb_list_append(&ws_of(subscription)->initial_reads, &subscription->initial_node);
}

static void add_change(struct tb_ws_subscription *subscription)
{
    if (!tb_list_is_linked(&subscription->changed_node))
        tb_list_append(&subscription->conn->changed, &subscription->changed_node);
    tb_ws_schedule(ws_of(subscription), subscription->conn);
}

/* tb_waiter.on_version. It must not end a connection, because that would remove other waiters. */
static void on_version(struct tb_waiter *waiter, int64_t version)
{
    struct tb_ws_subscription *subscription =
        TB_CONTAINER_OF(waiter, struct tb_ws_subscription, waiter);

    if (version == 0) {
        add_initial_read(subscription);
    } else if (version >= waiter->min_version) {
        waiter->min_version = version + 1;
        add_change(subscription);
    }
}

static struct tb_ws_subscription **bucket_of(const struct tb_ws_conn *conn, const char *order_id)
{
    uint32_t hash = tb_fnv1a(TB_FNV1A_START, order_id, TB_UUID_LEN);

    return &conn->buckets[hash % conn->bucket_count];
}

/* The pointer in the bucket that points to the subscription; NULL: there is no such one. */
static struct tb_ws_subscription **find(const struct tb_ws_conn *conn, const char *order_id)
{
    if (conn->bucket_count == 0)
        return NULL;
    struct tb_ws_subscription **at = bucket_of(conn, order_id);
    while (*at && strcmp((*at)->order_id, order_id) != 0)
        at = &(*at)->next;
    return *at ? at : NULL;
}

static void insert(struct tb_ws_conn *conn, struct tb_ws_subscription *subscription)
{
    struct tb_ws_subscription **bucket = bucket_of(conn, subscription->order_id);

    subscription->next = *bucket;
    *bucket = subscription;
}

/* False: out of memory. */
static bool make_room(struct tb_ws_conn *conn)
{
    struct tb_ws_conn old = *conn;

    if (conn->subscription_count < conn->bucket_count * LOAD_MAX)
        return true;
    size_t bucket_count = old.bucket_count > 0 ? old.bucket_count * GROWTH : 1;
    struct tb_ws_subscription **buckets = calloc(bucket_count, sizeof *buckets);
    if (!buckets)
        return false;
    conn->buckets = buckets;
    conn->bucket_count = bucket_count;
    for (size_t i = 0; i < old.bucket_count; i++) {
        for (struct tb_ws_subscription *one = old.buckets[i], *next; one; one = next) {
            next = one->next;
            insert(conn, one);
        }
    }
    free(old.buckets);
    return true;
}

static struct tb_ws_subscription *add(struct tb_ws *ws, struct tb_ws_conn *conn,
                                      const char *order_id)
{
    struct tb_ws_subscription *subscription;

    if (!make_room(conn) || !(subscription = calloc(1, sizeof *subscription)))
        return NULL;
    memcpy(subscription->order_id, order_id, TB_UUID_SIZE);
    subscription->conn = conn;
    subscription->waiter = (struct tb_waiter){.order_id = subscription->order_id,
                                              .min_version = 1,
                                              .follows = true,
                                              .deadline_ms = INT64_MAX,
                                              .on_version = on_version};
    insert(conn, subscription);
    conn->subscription_count++;
    ws->subscription_count++;
    tb_waiters_add(ws->waiters, &subscription->waiter);
    return subscription;
}

static bool is_full(const struct tb_ws_conn *conn)
{
    return conn->subscription_count + conn->all_orders >= TB_WS_TOPICS_MAX;
}

enum tb_code tb_ws_subscribe(struct tb_ws *ws, struct tb_ws_conn *conn, const char *order_id)
{
    struct tb_ws_subscription **found = find(conn, order_id);
    struct tb_ws_subscription *subscription = found ? *found : NULL;

    if (!found && is_full(conn))
        return TB_BUSY;
    if (!found && ws->subscription_count >= TB_WS_SUBSCRIPTIONS_MAX)
        return TB_UNAVAILABLE;
    if (!found)
        subscription = add(ws, conn, order_id);
    if (!subscription)
        return TB_INTERNAL;
    if (subscription->waiter.min_version > 1)
        add_change(subscription);
    add_initial_read(subscription); /* the waiter was added before: no version is missed */
    return TB_OK;
}

enum tb_code tb_ws_subscribe_all(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    if (conn->all_orders)
        return TB_OK;
    if (is_full(conn))
        return TB_BUSY;
    conn->all_orders = true;
    atomic_fetch_add(&ws->waiters->reader_count, 1);
    conn->position = tb_version_ring_end(&ws->waiters->ring);
    return TB_OK;
}

/* Removes *at from its bucket and from all lists, and frees it. */
static void remove_at(struct tb_ws *ws, struct tb_ws_conn *conn, struct tb_ws_subscription **at)
{
    struct tb_ws_subscription *subscription = *at;

    *at = subscription->next;
    tb_waiters_remove(ws->waiters, &subscription->waiter);
    if (tb_list_is_linked(&subscription->initial_node))
        tb_list_remove(&ws->initial_reads, &subscription->initial_node);
    if (tb_list_is_linked(&subscription->changed_node))
        tb_list_remove(&conn->changed, &subscription->changed_node);
    free(subscription);
    conn->subscription_count--;
    ws->subscription_count--;
}

void tb_ws_unsubscribe(struct tb_ws *ws, struct tb_ws_conn *conn, const char *order_id)
{
    struct tb_ws_subscription **at = find(conn, order_id);

    if (at)
        remove_at(ws, conn, at);
}

void tb_ws_unsubscribe_all(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    if (conn->all_orders)
        atomic_fetch_sub(&ws->waiters->reader_count, 1);
    conn->all_orders = false;
}

void tb_ws_release_subscriptions(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    tb_ws_unsubscribe_all(ws, conn);
    for (size_t i = 0; i < conn->bucket_count; i++) {
        while (conn->buckets[i])
            remove_at(ws, conn, &conn->buckets[i]);
    }
    free(conn->buckets);
    conn->buckets = NULL;
    conn->bucket_count = 0;
}

static void write_ready(struct tb_ws *ws, struct tb_ws_conn *conn, bool all_orders,
                        const char *order_id, int64_t version)
{
    tb_buf_clear(&ws->text);
    tb_ws_add_ready(&ws->text, all_orders, order_id, version);
    if (tb_buf_ok(&ws->text))
        tb_ws_write(&ws->writer, &conn->out, TB_WS_TEXT, tb_buf_str(&ws->text));
    else
        conn->out.failed = true;
}

static bool is_out_full(const struct tb_ws_conn *conn)
{
    return conn->out.len >= TB_WS_OUT_MAX;
}

bool tb_ws_write_changes(struct tb_ws *ws, struct tb_ws_conn *conn)
{
    struct tb_version_change changes[CHANGES_AT_ONCE];
    size_t count = 1;

    while (conn->changed.first && !is_out_full(conn)) {
        struct tb_ws_subscription *subscription =
            TB_LIST_ELEMENT(conn->changed.first, struct tb_ws_subscription, changed_node);
        tb_list_remove(&conn->changed, &subscription->changed_node);
        write_ready(ws, conn, false, subscription->order_id, subscription->waiter.min_version - 1);
    }
    while (conn->all_orders && count > 0 && !is_out_full(conn)) {
        if (!tb_version_ring_read(&ws->waiters->ring, &conn->position, changes, CHANGES_AT_ONCE,
                                  &count))
            return false;
        for (size_t i = 0; i < count; i++)
            write_ready(ws, conn, true, changes[i].order_id, changes[i].version);
    }
    return true;
}

bool tb_ws_has_changes(const struct tb_ws *ws, const struct tb_ws_conn *conn)
{
    return conn->changed.first ||
           (conn->all_orders && conn->position != tb_version_ring_end(&ws->waiters->ring));
}

bool tb_ws_has_initial_reads(const struct tb_ws *ws)
{
    return ws->initial_reads.first;
}

static struct tb_ws_subscription *first_initial_read(const struct tb_ws *ws)
{
    return TB_LIST_ELEMENT(ws->initial_reads.first, struct tb_ws_subscription, initial_node);
}

size_t tb_ws_take_initial_reads(struct tb_ws *ws, char (*ret_ids)[TB_UUID_SIZE], size_t max)
{
    struct tb_ws_subscription *subscription;
    size_t count = 0;

    while (count < max && (subscription = first_initial_read(ws))) {
        memcpy(ret_ids[count++], subscription->order_id, TB_UUID_SIZE);
        tb_list_remove(&ws->initial_reads, &subscription->initial_node);
    }
    return count;
}

void tb_ws_read_initial(struct tb_ws *ws)
{
    struct tb_ws_subscription *subscription;

    if (ws->now_ms < ws->retry_ms)
        return;
    for (int i = 0; i < TB_WS_INITIAL_READS_MAX && (subscription = first_initial_read(ws)); i++) {
        int64_t version = 0;
        enum tb_code code = ws->read_version(ws, subscription->order_id, &version);
        if (code != TB_OK && code != TB_NOT_FOUND) {
            ws->retry_ms = ws->now_ms + RETRY_MS;
            return;
        }
        tb_list_remove(&ws->initial_reads, &subscription->initial_node);
        if (code == TB_OK)
            on_version(&subscription->waiter, version);
    }
}
