#include "cli/engine/digest_stream.h"
#include "cli/output/show.h"

/* A server answers 503 while its database moves to another machine, which takes seconds. */
#define BUSY_TRIES 15
#define BUSY_WAIT_MS 1000

int tb_digest_stream_get(struct tb_digest_stream *stream, const char *path,
                         struct tb_http_response *ret_response)
{
    const struct tb_http_request request = {.method = "GET", .path = path};
    struct tb_error err = {0};

    for (int tries = 1;; tries++) {
        if (tb_http_client_perform(stream->client, &request, ret_response, &err) != TB_OK)
            return tb_http_unreachable(&stream->cli, err.text);
        if (ret_response->status != 503 || tries == BUSY_TRIES)
            return TB_EXIT_DONE;
        tb_http_response_release(ret_response);
        tb_sleep_ms(BUSY_WAIT_MS);
    }
}

/* GETs the digests from the order id `start` on; "": from the first order on. */
static int fetch(struct tb_digest_stream *stream, const char *start, const char *limit,
                 struct tb_http_response *ret_page)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};

    tb_buf_adds(&text, "/orders/digests");
    tb_url_add_query(&text, "limit", limit);
    tb_url_add_query(&text, "start", start[0] ? start : NULL);
    tb_url_add_query(&text, "of", stream->of == TB_DIGESTS_OF_VIEW ? "view" : NULL);
    TB_CLI_TRY(tb_digest_stream_get(stream, tb_cli_text(&text), ret_page));
    if (ret_page->status == 200 &&
        cJSON_IsArray(tb_cjson_get(tb_http_response_json(ret_page), "digests")))
        return TB_EXIT_DONE;
    if (ret_page->status == 200)
        return tb_cli_bad_response(&stream->cli, "it holds no digests");
    tb_buf_clear(&text);
    tb_problem_text(&text, ret_page, "; ");
    tb_cli_error(&stream->cli, "%s does not list its orders: %s", stream->cli.url,
                 tb_cli_text(&text));
    return TB_EXIT_FAILED;
}

/* False: the member is missing, not a text, or too long. */
static bool copy_text(char *ret_text, size_t size, const cJSON *object, const char *name)
{
    struct tb_str text = tb_cjson_text(object, name);

    if (!text.ptr || text.len >= size)
        return false;
    memcpy(ret_text, text.ptr, text.len + 1);
    return true;
}

static int read_digest(const struct tb_digest_stream *stream, const cJSON *json,
                       struct tb_digest *ret_digest)
{
    const char *parked = tb_cjson_text(json, "parked").ptr;
    const char *column = tb_cjson_text(json, "columnDiffers").ptr;
    struct tb_digest digest = {0};

    if (!tb_uuid_parse(tb_cjson_text(json, "orderId"), digest.order_id) ||
        !copy_text(digest.node, sizeof digest.node, json, "node") ||
        !copy_text(digest.status, sizeof digest.status, json, "status") ||
        !copy_text(digest.currency, sizeof digest.currency, json, "currency") ||
        !copy_text(digest.hash, sizeof digest.hash, json, "hash") ||
        !tb_cjson_int(json, "version", &digest.version) ||
        !tb_cjson_int(json, "totalMinor", &digest.total_minor))
        return tb_cli_bad_response(&stream->cli, "a digest lacks something");
    /* An earlier version sends neither of these. */
    (void)copy_text(digest.business_date, sizeof digest.business_date, json, "businessDate");
    digest.is_return = tb_str_eq(tb_cjson_text(json, "kind"), TB_STR("RETURN"));
    digest.pending = tb_str_eq(tb_cjson_text(json, "delivery"), TB_STR("pending"));
    /* Texts for people: they may be cut. */
    snprintf(digest.parked, sizeof digest.parked, "%s", parked ? parked : "");
    snprintf(digest.column_differs, sizeof digest.column_differs, "%s", column ? column : "");
    *ret_digest = digest;
    return TB_EXIT_DONE;
}

/* Fetches the page that begins with the order stream->next. */
static int next_page(struct tb_digest_stream *stream)
{
    const cJSON *next;

    tb_http_response_release(&stream->page);
    TB_CLI_TRY(fetch(stream, stream->next, "1000", &stream->page));
    stream->element = tb_cjson_first(stream->page.json, "digests");
    stream->next[0] = '\0';
    next = tb_cjson_get(stream->page.json, "next");
    if (next && !tb_uuid_parse(tb_str_of(cJSON_GetStringValue(next)), stream->next))
        return tb_cli_bad_response(&stream->cli, "its next page begins with no order");
    return TB_EXIT_DONE;
}

int tb_digest_stream_next(struct tb_digest_stream *stream)
{
    char before[TB_UUID_SIZE];

    memcpy(before, stream->current.order_id, sizeof before);
    while (!stream->element) {
        stream->ended = stream->page.json && stream->next[0] == '\0';
        if (stream->ended)
            return TB_EXIT_DONE;
        TB_CLI_TRY(next_page(stream));
    }
    TB_CLI_TRY(read_digest(stream, stream->element, &stream->current));
    stream->element = stream->element->next;
    if (strcmp(stream->current.order_id, before) <= 0)
        return tb_cli_bad_response(&stream->cli, "its digests are not in the order of their ids");
    return TB_EXIT_DONE;
}

int tb_digest_stream_open(struct tb_digest_stream *stream, const struct tb_cli *cli,
                          const char *url, enum tb_digests_of of)
{
    *stream = (struct tb_digest_stream){.cli = *cli, .of = of};
    stream->cli.url = url;
    TB_CLI_TRY(tb_http_open(&stream->cli, 1, &stream->client));
    return tb_digest_stream_next(stream);
}

void tb_digest_stream_close(struct tb_digest_stream *stream)
{
    tb_http_response_release(&stream->page);
    tb_http_client_free(stream->client);
    *stream = (struct tb_digest_stream){0};
}

int tb_digest_stream_find(struct tb_digest_stream *stream, const char *order_id,
                          struct tb_digest *ret_digest, bool *ret_found)
{
    TB_CLEANUP(tb_http_response_release) struct tb_http_response page = {0};
    const cJSON *element;

    TB_CLI_TRY(fetch(stream, order_id, "1", &page));
    element = tb_cjson_first(page.json, "digests");
    if (element)
        TB_CLI_TRY(read_digest(stream, element, ret_digest));
    *ret_found = element && strcmp(ret_digest->order_id, order_id) == 0;
    return TB_EXIT_DONE;
}
