#include "cli/engine/verify.h"
#include "cli/http/ask.h"
#include "cli/http/field.h"
#include <stdlib.h>

#define LOOK_AGAIN_MS 500

const char *tb_verify_result_name(enum tb_verify_result difference)
{
    static const char *const names[TB_VERIFY_RESULT_COUNT] = {
        [TB_VERIFY_SAME] = "same",       [TB_VERIFY_PENDING] = "pending",
        [TB_VERIFY_MISSING] = "missing", [TB_VERIFY_DIFFERENT] = "different",
        [TB_VERIFY_EXTRA] = "extra",     [TB_VERIFY_FOREIGN] = "foreign",
    };

    return names[difference];
}

static bool same(const struct tb_digest *a, const struct tb_digest *b)
{
    return a->version == b->version && a->total_minor == b->total_minor &&
           strcmp(a->status, b->status) == 0 && strcmp(a->currency, b->currency) == 0 &&
           strcmp(a->node, b->node) == 0 && strcmp(a->hash, b->hash) == 0;
}

static enum tb_verify_result judge(const struct tb_verify *verify,
                                   const struct tb_verify_pair *pair)
{
    if (!pair->stored && !pair->viewed)
        return TB_VERIFY_SAME; /* it went away meanwhile */
    if (pair->twice)
        return TB_VERIFY_DIFFERENT;
    if (!pair->stored)
        return pair->edge < verify->edge_count ? TB_VERIFY_EXTRA : TB_VERIFY_FOREIGN;
    if (pair->viewed && same(&pair->store, &pair->view))
        return TB_VERIFY_SAME;
    if (!pair->viewed || pair->view.version < pair->store.version)
        return pair->store.pending && !pair->store.parked[0] ? TB_VERIFY_PENDING
                                                             : TB_VERIFY_MISSING;
    return TB_VERIFY_DIFFERENT;
}

/* Is it to be told, and does it count? */
static bool is_fault(const struct tb_verify *verify, enum tb_verify_result difference)
{
    return difference != TB_VERIFY_SAME &&
           !(difference == TB_VERIFY_PENDING && verify->allow_pending) &&
           !(difference == TB_VERIFY_FOREIGN && verify->ignore_foreign);
}

bool tb_verify_differs(const struct tb_verify *verify)
{
    for (int d = 0; d < TB_VERIFY_RESULT_COUNT; d++) {
        if (verify->counts[d] > 0 && is_fault(verify, (enum tb_verify_result)d))
            return true;
    }
    return false;
}

/* Why an order is not there as it should be, as far as the central's dead letters tell. */
static int find_dead_letter(struct tb_verify *verify, struct tb_verify_pair *pair)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response reply = {0};
    TB_CLEANUP(tb_json_freep) struct tb_json *json = NULL;
    const struct tb_json *letter;
    struct tb_error err = {0};
    char path[128];
    int exit_status;

    if (verify->no_dead_letters || pair->reason[0])
        return TB_EXIT_DONE;
    snprintf(path, sizeof path, "/dead-letters?limit=1&orderId=%s", pair->order_id);
    exit_status = tb_digest_stream_get(&verify->central, path, &reply);
    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    verify->no_dead_letters = reply.status == 404;
    if (reply.status != 200 ||
        tb_json_parse(tb_buf_str(&reply.body), TB_JSON_DEPTH_MAX, &json, &err) != TB_OK)
        return TB_EXIT_DONE;
    letter = tb_field_first(json, "deadLetters");
    if (letter) {
        struct tb_str reason = tb_field_text(letter, "reason");
        struct tb_str message = tb_field_text(letter, "message");

        snprintf(pair->reason, sizeof pair->reason, "dead letter, %.*s%s%.*s", (int)reason.len,
                 reason.ptr ? reason.ptr : "", message.len > 0 ? ": " : "", (int)message.len,
                 message.ptr ? message.ptr : "");
    }
    return TB_EXIT_DONE;
}

static int conclude(struct tb_verify *verify, struct tb_verify_pair *pair)
{
    enum tb_verify_result difference = judge(verify, pair);
    int exit_status = TB_EXIT_DONE;

    verify->counts[difference]++;
    if (!is_fault(verify, difference))
        return TB_EXIT_DONE;
    if (pair->stored && pair->store.parked[0])
        snprintf(pair->reason, sizeof pair->reason, "parked on the edge: %.200s",
                 pair->store.parked);
    else if (difference == TB_VERIFY_MISSING || difference == TB_VERIFY_DIFFERENT)
        exit_status = find_dead_letter(verify, pair);
    tb_progress_clear(&verify->progress);
    verify->tell(verify->ctx, difference, pair);
    return exit_status;
}

static void take_stored(const struct tb_verify *verify, struct tb_verify_pair *pair, size_t edge,
                        const struct tb_digest *digest)
{
    if (pair->stored) {
        pair->twice = true;
        snprintf(pair->reason, sizeof pair->reason, "both %s and %s have it",
                 verify->nodes[pair->edge], verify->nodes[edge]);
    }
    pair->stored = true;
    pair->edge = edge;
    pair->store = *digest;
}

/* Both sides as they are now. */
static int fetch_again(struct tb_verify *verify, struct tb_verify_pair *pair)
{
    struct tb_digest digest;
    bool found = false;

    pair->stored = pair->twice = false;
    for (size_t i = 0; i < verify->edge_count; i++) {
        int exit_status =
            tb_digest_stream_find(&verify->edges[i], pair->order_id, &digest, &found);

        if (exit_status != TB_EXIT_DONE)
            return exit_status;
        if (found)
            take_stored(verify, pair, i, &digest);
    }
    return tb_digest_stream_find(&verify->central, pair->order_id, &pair->view, &pair->viewed);
}

/* What is no fault any more is counted and forgotten. */
static int recheck_all(struct tb_verify *verify)
{
    size_t left = 0;

    for (size_t i = 0; i < verify->recheck_count; i++) {
        struct tb_verify_pair *pair = &verify->rechecks[i];
        int exit_status = fetch_again(verify, pair);

        if (exit_status != TB_EXIT_DONE)
            return exit_status;
        if (is_fault(verify, judge(verify, pair)))
            verify->rechecks[left++] = *pair;
        else
            verify->counts[judge(verify, pair)]++;
    }
    verify->recheck_count = left;
    return TB_EXIT_DONE;
}

/* Looks at the suspects, once at least, until there are none or patience is at its end. */
static int settle(struct tb_verify *verify)
{
    const struct tb_clock *clock = verify->central.cli.clock;
    int exit_status = TB_EXIT_DONE;

    while (verify->recheck_count > 0) {
        int64_t began_ms = tb_clock_mono_ms(clock);

        exit_status = recheck_all(verify);
        if (exit_status != TB_EXIT_DONE)
            return exit_status;
        if (verify->recheck_count == 0 || verify->wait_left_ms <= 0)
            break;
        tb_progress_draw(&verify->progress, tb_clock_mono_ms(clock), verify->orders, 0,
                         "waiting for what is under way");
        tb_sleep_ms(LOOK_AGAIN_MS);
        verify->wait_left_ms -= tb_clock_mono_ms(clock) - began_ms;
    }
    for (size_t i = 0; i < verify->recheck_count && exit_status == TB_EXIT_DONE; i++)
        exit_status = conclude(verify, &verify->rechecks[i]);
    verify->recheck_count = 0;
    return exit_status;
}

static int compare(struct tb_verify *verify, const struct tb_verify_pair *pair)
{
    enum tb_verify_result difference = judge(verify, pair);

    verify->orders++;
    tb_progress_draw(&verify->progress, tb_clock_mono_ms(verify->central.cli.clock),
                     verify->orders, 0, NULL);
    if (!is_fault(verify, difference)) {
        verify->counts[difference]++;
        return TB_EXIT_DONE;
    }
    verify->rechecks[verify->recheck_count++] = *pair;
    return verify->recheck_count == TB_VERIFY_RECHECK_MAX ? settle(verify) : TB_EXIT_DONE;
}

static size_t edge_of_node(const struct tb_verify *verify, const char *node)
{
    size_t i = 0;

    while (i < verify->edge_count && strcmp(verify->nodes[i], node) != 0)
        i++;
    return i;
}

/* The lowest id that any side stands at; NULL: all are over. */
static const char *lowest(const struct tb_verify *verify)
{
    const char *low = verify->central.over ? NULL : verify->central.now.order_id;

    for (size_t i = 0; i < verify->edge_count; i++) {
        const struct tb_digest_stream *edge = &verify->edges[i];

        if (!edge->over && (!low || strcmp(edge->now.order_id, low) < 0))
            low = edge->now.order_id;
    }
    return low;
}

/* Takes the pair from every side that stands at it. */
static int take(struct tb_verify *verify, struct tb_verify_pair *pair)
{
    int exit_status = TB_EXIT_DONE;

    for (size_t i = 0; i < verify->edge_count && exit_status == TB_EXIT_DONE; i++) {
        struct tb_digest_stream *edge = &verify->edges[i];

        if (edge->over || strcmp(edge->now.order_id, pair->order_id) != 0)
            continue;
        take_stored(verify, pair, i, &edge->now);
        exit_status = tb_digest_stream_next(edge);
    }
    if (exit_status != TB_EXIT_DONE || verify->central.over ||
        strcmp(verify->central.now.order_id, pair->order_id) != 0)
        return exit_status;
    pair->viewed = true;
    pair->view = verify->central.now;
    if (!pair->stored)
        pair->edge = edge_of_node(verify, pair->view.node);
    return tb_digest_stream_next(&verify->central);
}

int tb_verify_run(struct tb_verify *verify)
{
    const char *order_id;
    int exit_status = TB_EXIT_DONE;

    while (exit_status == TB_EXIT_DONE && (order_id = lowest(verify))) {
        struct tb_verify_pair pair = {.edge = verify->edge_count};

        memcpy(pair.order_id, order_id, sizeof pair.order_id);
        exit_status = take(verify, &pair);
        if (exit_status == TB_EXIT_DONE)
            exit_status = compare(verify, &pair);
    }
    if (exit_status == TB_EXIT_DONE)
        exit_status = settle(verify);
    tb_progress_clear(&verify->progress);
    return exit_status;
}
