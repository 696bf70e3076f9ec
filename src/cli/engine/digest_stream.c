#include "cli/engine/digest_stream.h"
#include "cli/http/ask.h"
#include "cli/http/field.h"
#include "cli/http/slice.h"
#include "cli/output/show.h"

#define PAGE "/orders/digests?limit=1000"
/* A database that moves to another server is back within seconds. */
#define BUSY_TRIES 15
#define BUSY_WAIT_MS 1000

int tb_digest_stream_get(struct tb_digest_stream *digests, const char *path,
                         struct tb_http_response *ret_reply)
{
    const struct tb_http_request request = {
        .method = "GET", .path = path, .timeout_ms = TB_HTTP_TIMEOUT_MS};
    struct tb_error err = {0};

    for (int tries = 1;; tries++) {
        if (tb_http_client_perform(digests->client, &request, ret_reply, &err) != TB_OK)
            return tb_http_unreachable(&digests->cli, &err);
        if (ret_reply->status != 503 || tries == BUSY_TRIES)
            return TB_EXIT_DONE;
        tb_http_response_release(ret_reply);
        *ret_reply = (struct tb_http_response){0};
        tb_sleep_ms(BUSY_WAIT_MS);
    }
}

static int refused(const struct tb_digest_stream *digests, const struct tb_http_response *reply)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};

    tb_problem_text(&text, reply);
    tb_cli_error(&digests->cli, "%s does not tell its orders: %s", digests->cli.url,
                 tb_buf_ok(&text) ? text.data : "out of memory");
    return TB_EXIT_FAILED;
}

static bool copy(char *ret_text, size_t size, struct tb_str text)
{
    if (!text.ptr || text.len >= size)
        return false;
    memcpy(ret_text, text.ptr, text.len);
    ret_text[text.len] = '\0';
    return true;
}

/* A reason may be longer than there is room for it; it is for people. */
static void copy_cut(char *ret_text, size_t size, struct tb_str text)
{
    if (text.len >= size)
        text.len = size - 1;
    (void)copy(ret_text, size, text.ptr ? text : TB_STR(""));
}

static bool read_digest(struct tb_str text, struct tb_digest *ret_digest)
{
    TB_CLEANUP(tb_json_freep) struct tb_json *json = NULL;
    struct tb_digest digest = {0};
    struct tb_error err = {0};

    if (tb_json_parse(text, TB_JSON_DEPTH_MAX, &json, &err) != TB_OK ||
        !tb_uuid_parse(tb_field_text(json, "orderId"), digest.order_id) ||
        !copy(digest.node, sizeof digest.node, tb_field_text(json, "node")) ||
        !copy(digest.status, sizeof digest.status, tb_field_text(json, "status")) ||
        !copy(digest.currency, sizeof digest.currency, tb_field_text(json, "currency")) ||
        !copy(digest.hash, sizeof digest.hash, tb_field_text(json, "hash")) ||
        !tb_field_int(json, "version", &digest.version) ||
        !tb_field_int(json, "totalMinor", &digest.total_minor))
        return false;
    digest.pending = tb_str_eq(tb_field_text(json, "delivery"), TB_STR("pending"));
    copy_cut(digest.parked, sizeof digest.parked, tb_field_text(json, "parked"));
    *ret_digest = digest;
    return true;
}

/* The page that begins with `start`; "": the first. */
static int fetch(struct tb_digest_stream *digests, const char *start, const char *path,
                 struct tb_http_response *ret_page, struct tb_str *ret_list)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf target = {0};
    int exit_status;

    tb_buf_adds(&target, path);
    tb_url_add_query(&target, "start", start[0] ? start : NULL);
    if (!tb_buf_ok(&target))
        return tb_cli_no_memory(&digests->cli);
    exit_status = tb_digest_stream_get(digests, target.data, ret_page);
    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    if (ret_page->status != 200)
        return refused(digests, ret_page);
    if (!tb_slice_member(tb_buf_str(&ret_page->body), "digests", ret_list))
        return tb_cli_bad_response(&digests->cli, "it holds no digests");
    return TB_EXIT_DONE;
}

/* The page that begins with digests->next. */
static int turn_page(struct tb_digest_stream *digests)
{
    struct tb_str next = {0};
    int exit_status;

    tb_http_response_release(&digests->page);
    digests->page = (struct tb_http_response){0};
    digests->cursor = 0;
    exit_status = fetch(digests, digests->next, PAGE, &digests->page, &digests->list);
    if (exit_status != TB_EXIT_DONE)
        return exit_status;
    digests->next[0] = '\0';
    if (!tb_slice_member(tb_buf_str(&digests->page.body), "next", &next))
        return TB_EXIT_DONE;
    if (next.len < 2 || !tb_uuid_parse((struct tb_str){next.ptr + 1, next.len - 2}, digests->next))
        return tb_cli_bad_response(&digests->cli, "its next page begins with no order");
    return TB_EXIT_DONE;
}

int tb_digest_stream_next(struct tb_digest_stream *digests)
{
    char before[TB_UUID_SIZE];
    struct tb_str element;

    memcpy(before, digests->now.order_id, sizeof before);
    while (!tb_slice_element(digests->list, &digests->cursor, &element)) {
        if (digests->next[0] == '\0') {
            digests->over = true;
            return TB_EXIT_DONE;
        }
        int exit_status = turn_page(digests);
        if (exit_status != TB_EXIT_DONE)
            return exit_status;
    }
    if (!read_digest(element, &digests->now))
        return tb_cli_bad_response(&digests->cli, "a digest lacks something");
    if (strcmp(digests->now.order_id, before) <= 0)
        return tb_cli_bad_response(&digests->cli, "its digests are not in the order of their ids");
    return TB_EXIT_DONE;
}

int tb_digest_stream_open(struct tb_digest_stream *digests, const struct tb_cli *cli,
                          const char *url)
{
    int exit_status;

    *digests = (struct tb_digest_stream){.cli = *cli};
    digests->cli.url = url;
    exit_status = tb_http_open(&digests->cli, &digests->client);
    if (exit_status == TB_EXIT_DONE)
        exit_status = turn_page(digests);
    return exit_status == TB_EXIT_DONE ? tb_digest_stream_next(digests) : exit_status;
}

void tb_digest_stream_close(struct tb_digest_stream *digests)
{
    tb_http_response_release(&digests->page);
    tb_http_client_free(digests->client);
    *digests = (struct tb_digest_stream){0};
}

int tb_digest_stream_find(struct tb_digest_stream *digests, const char *order_id,
                          struct tb_digest *ret_digest, bool *ret_found)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response page = {0};
    struct tb_str list, element;
    size_t cursor = 0;
    int exit_status = fetch(digests, order_id, "/orders/digests?limit=1", &page, &list);

    *ret_found = false;
    if (exit_status != TB_EXIT_DONE || !tb_slice_element(list, &cursor, &element))
        return exit_status;
    if (!read_digest(element, ret_digest))
        return tb_cli_bad_response(&digests->cli, "a digest lacks something");
    *ret_found = strcmp(ret_digest->order_id, order_id) == 0;
    return TB_EXIT_DONE;
}
