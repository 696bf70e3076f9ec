#include "cli/engine/verify.h"

#define RECHECK_EVERY_MS 500

const char *tb_verify_result_name(enum tb_verify_result result)
{
    static const char *const names[TB_VERIFY_RESULT_COUNT] = {
        [TB_VERIFY_SAME] = "same",       [TB_VERIFY_PENDING] = "pending",
        [TB_VERIFY_MISSING] = "missing", [TB_VERIFY_DIFFERENT] = "different",
        [TB_VERIFY_EXTRA] = "extra",     [TB_VERIFY_FOREIGN] = "foreign",
    };

    return names[result];
}

static bool is_same(const struct tb_digest *a, const struct tb_digest *b)
{
    return a->version == b->version && a->total_minor == b->total_minor &&
           strcmp(a->status, b->status) == 0 && strcmp(a->currency, b->currency) == 0 &&
           strcmp(a->node, b->node) == 0 && strcmp(a->hash, b->hash) == 0 &&
           !a->column_differs[0] && !b->column_differs[0];
}

static enum tb_verify_result compare(const struct tb_verify *verify,
                                     const struct tb_verify_pair *pair)
{
    const struct tb_digest *edge = &pair->edge_digest, *central = &pair->central_digest;

    if (!pair->at_edge && !pair->at_central)
        return TB_VERIFY_SAME; /* both sides have deleted the order meanwhile */
    if (pair->at_two_edges)
        return TB_VERIFY_DIFFERENT;
    if (!pair->at_edge)
        return pair->edge < verify->edge_count ? TB_VERIFY_EXTRA : TB_VERIFY_FOREIGN;
    if (pair->at_central && is_same(edge, central))
        return TB_VERIFY_SAME;
    if (!pair->at_central || central->version < edge->version)
        return edge->pending && !edge->parked[0] ? TB_VERIFY_PENDING : TB_VERIFY_MISSING;
    return TB_VERIFY_DIFFERENT;
}

static bool is_difference(const struct tb_verify *verify, enum tb_verify_result result)
{
    return result != TB_VERIFY_SAME && !(result == TB_VERIFY_PENDING && verify->allow_pending) &&
           !(result == TB_VERIFY_FOREIGN && !verify->all_nodes);
}

/* Sets the reason of the pair if it has none and the central has a dead letter of the order. */
static int find_dead_letter(struct tb_verify *verify, struct tb_verify_pair *pair)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response response = {0};
    const cJSON *letter;
    char path[128];

    if (verify->no_dead_letters || pair->reason[0])
        return TB_EXIT_DONE;
    snprintf(path, sizeof path, "/dead-letters?limit=1&orderId=%s", pair->order_id);
    TB_CLI_TRY(tb_digest_stream_get(&verify->central, path, &response));
    verify->no_dead_letters = response.status == 404;
    letter = tb_cjson_first(tb_http_response_json(&response), "deadLetters");
    if (response.status == 200 && letter) {
        const char *reason = tb_cjson_text(letter, "reason").ptr;
        const char *message = tb_cjson_text(letter, "message").ptr;

        snprintf(pair->reason, sizeof pair->reason, "dead letter, %s%s%s", reason ? reason : "",
                 message && *message ? ": " : "", message ? message : "");
    }
    return TB_EXIT_DONE;
}

/* Counts the pair, and reports it if it is a difference. */
static int conclude(struct tb_verify *verify, struct tb_verify_pair *pair)
{
    enum tb_verify_result result = compare(verify, pair);
    int exit_status = TB_EXIT_DONE;

    verify->counts[result]++;
    if (!is_difference(verify, result))
        return TB_EXIT_DONE;
    verify->differences++;
    if (pair->at_edge && pair->edge_digest.parked[0])
        snprintf(pair->reason, sizeof pair->reason, "parked on the edge: %.200s",
                 pair->edge_digest.parked);
    else if (pair->central_digest.column_differs[0])
        snprintf(pair->reason, sizeof pair->reason, "its lists have another %s",
                 pair->central_digest.column_differs);
    else if (result == TB_VERIFY_MISSING || result == TB_VERIFY_DIFFERENT)
        exit_status = find_dead_letter(verify, pair);
    tb_cli_clear_line();
    verify->report(verify, result, pair);
    return exit_status;
}

static void set_edge_digest(const struct tb_verify *verify, struct tb_verify_pair *pair,
                            size_t edge, const struct tb_digest *digest)
{
    if (pair->at_edge) {
        pair->at_two_edges = true;
        snprintf(pair->reason, sizeof pair->reason, "both %s and %s have it",
                 verify->nodes[pair->edge], verify->nodes[edge]);
    }
    pair->at_edge = true;
    pair->edge = edge;
    pair->edge_digest = *digest;
}

/* Fetches both sides as they are now. */
static int fetch_again(struct tb_verify *verify, struct tb_verify_pair *pair)
{
    struct tb_digest digest;
    bool found = false;

    pair->at_edge = pair->at_two_edges = false;
    for (size_t i = 0; i < verify->edge_count; i++) {
        TB_CLI_TRY(tb_digest_stream_find(&verify->edges[i], pair->order_id, &digest, &found));
        if (found)
            set_edge_digest(verify, pair, i, &digest);
    }
    return tb_digest_stream_find(&verify->central, pair->order_id, &pair->central_digest,
                                 &pair->at_central);
}

/* Fetches all pairs in `rechecks` once more; counts and removes those that no longer differ. */
static int recheck_all(struct tb_verify *verify)
{
    size_t left = 0;

    for (size_t i = 0; i < verify->recheck_count; i++) {
        struct tb_verify_pair *pair = &verify->rechecks[i];

        TB_CLI_TRY(fetch_again(verify, pair));
        if (is_difference(verify, compare(verify, pair)))
            verify->rechecks[left++] = *pair;
        else
            verify->counts[compare(verify, pair)]++;
    }
    verify->recheck_count = left;
    return TB_EXIT_DONE;
}

/* Fetches the pairs that differ again, at least once, until none differs or the waiting time is
 * used up. Reports those that still differ. */
static int finish_rechecks(struct tb_verify *verify)
{
    while (verify->recheck_count > 0) {
        int64_t start_ms = tb_cli_now_ms();

        TB_CLI_TRY(recheck_all(verify));
        if (verify->recheck_count == 0 || verify->wait_left_ms <= 0)
            break;
        tb_progress_draw(&verify->progress, verify->orders, 0, "waiting for what is on its way");
        tb_sleep_ms(RECHECK_EVERY_MS);
        verify->wait_left_ms -= tb_cli_now_ms() - start_ms;
    }
    for (size_t i = 0; i < verify->recheck_count; i++)
        TB_CLI_TRY(conclude(verify, &verify->rechecks[i]));
    verify->recheck_count = 0;
    return TB_EXIT_DONE;
}

static int add_pair(struct tb_verify *verify, const struct tb_verify_pair *pair)
{
    enum tb_verify_result result = compare(verify, pair);

    verify->orders++;
    tb_progress_draw(&verify->progress, verify->orders, 0, NULL);
    if (!is_difference(verify, result)) {
        verify->counts[result]++;
        return TB_EXIT_DONE;
    }
    verify->rechecks[verify->recheck_count++] = *pair;
    return verify->recheck_count == TB_VERIFY_RECHECK_MAX ? finish_rechecks(verify) : TB_EXIT_DONE;
}

static size_t edge_of_node(const struct tb_verify *verify, const char *node)
{
    size_t i = 0;

    while (i < verify->edge_count && strcmp(verify->nodes[i], node) != 0)
        i++;
    return i;
}

/* Returns the lowest id among the current orders of all streams; NULL: all streams have ended. */
static const char *lowest_id(const struct tb_verify *verify)
{
    const char *low = verify->central.ended ? NULL : verify->central.current.order_id;

    for (size_t i = 0; i < verify->edge_count; i++) {
        const struct tb_digest_stream *edge = &verify->edges[i];

        if (!edge->ended && (!low || strcmp(edge->current.order_id, low) < 0))
            low = edge->current.order_id;
    }
    return low;
}

/* Fills the pair from every stream whose current order it is, and moves these streams on. */
static int read_pair(struct tb_verify *verify, struct tb_verify_pair *pair)
{
    for (size_t i = 0; i < verify->edge_count; i++) {
        struct tb_digest_stream *edge = &verify->edges[i];

        if (edge->ended || strcmp(edge->current.order_id, pair->order_id) != 0)
            continue;
        set_edge_digest(verify, pair, i, &edge->current);
        TB_CLI_TRY(tb_digest_stream_next(edge));
    }
    if (verify->central.ended || strcmp(verify->central.current.order_id, pair->order_id) != 0)
        return TB_EXIT_DONE;
    pair->at_central = true;
    pair->central_digest = verify->central.current;
    if (!pair->at_edge)
        pair->edge = edge_of_node(verify, pair->central_digest.node);
    return tb_digest_stream_next(&verify->central);
}

int tb_verify_run(struct tb_verify *verify)
{
    const char *order_id;

    while ((order_id = lowest_id(verify))) {
        struct tb_verify_pair pair = {.edge = verify->edge_count};

        memcpy(pair.order_id, order_id, sizeof pair.order_id);
        TB_CLI_TRY(read_pair(verify, &pair));
        TB_CLI_TRY(add_pair(verify, &pair));
    }
    return finish_rechecks(verify);
}
