#include "cli/http/client.h"
#include <curl/curl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

struct transfer {
    CURL *easy;                 /* owned */
    struct curl_slist *headers; /* owned */
    struct tb_buf url;
    struct tb_http_response response;
    char why[CURL_ERROR_SIZE];
    size_t tag;
    bool in_flight;
};

struct tb_http_client {
    CURLM *multi;       /* owned */
    struct tb_str base; /* borrowed URL, without slashes at its end */
    bool loopback;
    size_t in_flight;
    size_t transfer_count;
    struct transfer transfers[];
};

void tb_http_response_release(struct tb_http_response *response)
{
    tb_buf_release(&response->body);
    cJSON_Delete(response->json);
    *response = (struct tb_http_response){0};
}

const cJSON *tb_http_response_json(struct tb_http_response *response)
{
    if (!response->json)
        response->json = tb_cjson_parse(&response->body);
    return response->json;
}

static bool is_loopback(const char *host)
{
    return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "[::1]") == 0;
}

static enum tb_code check_url(const char *url, bool *ret_loopback, struct tb_error *err)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL, *query = NULL;
    bool good = parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0) &&
                curl_url_get(parts, CURLUPART_QUERY, &query, 0) != CURLUE_OK;

    if (good)
        *ret_loopback = is_loopback(host);
    curl_free(scheme);
    curl_free(host);
    curl_free(query);
    curl_url_cleanup(parts);
    if (!good)
        return tb_error_set(err, TB_INVALID,
                            "'%.100s' is not an address like "
                            "http://127.0.0.1:8081",
                            url);
    return TB_OK;
}

enum tb_code tb_http_client_open(const char *url, size_t in_flight_max,
                                 struct tb_http_client **ret_client, struct tb_error *err)
{
    struct tb_http_client *client;
    bool loopback = false, ok;

    TB_TRY(check_url(url, &loopback, err));
    client = calloc(1, sizeof *client + in_flight_max * sizeof client->transfers[0]);
    if (!client || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(client);
        return tb_error_set(err, TB_INTERNAL, "libcurl does not start");
    }
    client->loopback = loopback;
    client->base = tb_str_of(url);
    while (client->base.len > 0 && url[client->base.len - 1] == '/')
        client->base.len--;
    client->multi = curl_multi_init();
    client->transfer_count = in_flight_max;
    ok = client->multi;
    for (size_t i = 0; i < in_flight_max; i++)
        ok = (client->transfers[i].easy = curl_easy_init()) && ok;
    if (!ok) {
        tb_http_client_free(client);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    /* libcurl would keep four times as many connections as requests are in flight. */
    curl_multi_setopt(client->multi, CURLMOPT_MAXCONNECTS, (long)in_flight_max);
    *ret_client = client;
    return TB_OK;
}

void tb_http_client_free(struct tb_http_client *client)
{
    if (!client)
        return;
    for (size_t i = 0; i < client->transfer_count; i++) {
        struct transfer *transfer = &client->transfers[i];

        if (transfer->in_flight)
            curl_multi_remove_handle(client->multi, transfer->easy);
        curl_easy_cleanup(transfer->easy);
        curl_slist_free_all(transfer->headers);
        tb_buf_release(&transfer->url);
        tb_http_response_release(&transfer->response);
    }
    curl_multi_cleanup(client->multi);
    free(client);
    curl_global_cleanup();
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    size_t len = size * count;

    if (transfer->response.body.len + len > TB_RESPONSE_MAX)
        return 0; /* makes the transfer fail */
    tb_buf_add(&transfer->response.body, bytes, len);
    return tb_buf_ok(&transfer->response.body) ? len : 0;
}

/* False: out of memory. */
static bool add_header(struct transfer *transfer, const char *format, ...) TB_PRINTF(2, 3);
static bool add_header(struct transfer *transfer, const char *format, ...)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf line = {0};
    struct curl_slist *longer;
    va_list args;

    va_start(args, format);
    tb_buf_vaddf(&line, format, args);
    va_end(args);
    longer = tb_buf_ok(&line) ? curl_slist_append(transfer->headers, line.data) : NULL;
    if (longer)
        transfer->headers = longer;
    return longer;
}

static bool set_headers(struct transfer *transfer, const struct tb_http_request *request)
{
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
    return add_header(transfer, "Accept: application/json, application/problem+json") &&
           add_header(transfer, "User-Agent: tillbox/" TB_VERSION) &&
           add_header(transfer, "Content-Type:%s", request->body.ptr ? " application/json" : "") &&
           (!request->key || add_header(transfer, "Idempotency-Key: %s", request->key)) &&
           (!request->if_match || add_header(transfer, "If-Match: \"%s\"", request->if_match)) &&
           /* `Expect: 100-continue` would cost a second round trip; our bodies are small. */
           add_header(transfer, "Expect:");
}

/* False: out of memory. A request without its key could be carried out twice, so a request that
 * lacks anything must not be sent. */
static bool set_up(struct tb_http_client *client, struct transfer *transfer,
                   const struct tb_http_request *request)
{
    CURL *easy = transfer->easy;
    bool ok;

    curl_easy_reset(easy); /* keeps the connections: they belong to the multi handle */
    tb_buf_clear(&transfer->url);
    tb_buf_add_str(&transfer->url, client->base);
    tb_buf_adds(&transfer->url, request->path);
    transfer->why[0] = '\0';
    ok = set_headers(transfer, request) && tb_buf_ok(&transfer->url) &&
         curl_easy_setopt(easy, CURLOPT_URL, transfer->url.data) == CURLE_OK;
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, transfer->why);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L); /* an id may be ".." */
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)TB_CONNECT_MAX_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(TB_HTTP_TIMEOUT_MS + request->wait_ms));
    if (client->loopback) /* a proxy would connect to its own machine */
        ok = curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK && ok;
    if (strcmp(request->method, "GET") != 0) {
        const char *body = request->body.ptr ? request->body.ptr : "";

        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        ok = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK && ok;
    }
    return ok;
}

bool tb_http_client_start(struct tb_http_client *client, const struct tb_http_request *request,
                          size_t tag)
{
    struct transfer *transfer = client->transfers;

    TB_ASSERT(client->in_flight < client->transfer_count);
    while (transfer->in_flight)
        transfer++;
    transfer->tag = tag;
    if (!set_up(client, transfer, request) ||
        curl_multi_add_handle(client->multi, transfer->easy) != CURLM_OK)
        return false;
    transfer->in_flight = true;
    client->in_flight++;
    return true;
}

void tb_http_client_wait(struct tb_http_client *client, int readable_fd, int64_t timeout_ms)
{
    struct curl_waitfd extra = {.fd = readable_fd, .events = CURL_WAIT_POLLIN};
    unsigned extra_count = readable_fd >= 0;
    int running = 0;

    curl_multi_perform(client->multi, &running);
    /* A request that is done must be collected at once. */
    if ((size_t)running < client->in_flight)
        timeout_ms = 0;
    curl_multi_poll(client->multi, extra_count ? &extra : NULL, extra_count, (int)timeout_ms,
                    NULL);
    curl_multi_perform(client->multi, &running);
}

static void read_headers(struct transfer *transfer)
{
    struct curl_header *header = NULL;
    curl_off_t seconds = 0;
    long status = 0;

    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    transfer->response.status = (int)status;
    if (curl_easy_getinfo(transfer->easy, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK &&
        seconds > 0 && seconds < INT64_MAX / 1000)
        transfer->response.retry_after_ms = seconds * 1000;
    if (curl_easy_header(transfer->easy, "Idempotency-Replayed", 0, CURLH_HEADER, -1, &header) ==
        CURLHE_OK)
        transfer->response.replayed = strcasecmp(header->value, "true") == 0;
}

static enum tb_code result_code(struct transfer *transfer, CURLcode result, struct tb_error *err)
{
    const char *why = transfer->why[0] ? transfer->why : curl_easy_strerror(result);
    long sent = 0;

    if (result == CURLE_OK)
        return TB_OK;
    curl_easy_getinfo(transfer->easy, CURLINFO_REQUEST_SIZE, &sent);
    return tb_error_set(err, sent > 0 ? TB_UNKNOWN : TB_UNAVAILABLE, "%s", why);
}

bool tb_http_client_next_done(struct tb_http_client *client, size_t *ret_tag,
                              enum tb_code *ret_code, struct tb_http_response *ret_response,
                              struct tb_error *err)
{
    struct transfer *transfer = NULL;
    CURLMsg *message;
    CURLcode result;
    int left = 0;

    do
        message = curl_multi_info_read(client->multi, &left);
    while (message && message->msg != CURLMSG_DONE);
    if (!message)
        return false;
    result = message->data.result; /* removing the handle invalidates message */
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
    read_headers(transfer);
    *ret_code = result_code(transfer, result, err);
    *ret_tag = transfer->tag;
    *ret_response = transfer->response;
    transfer->response = (struct tb_http_response){0};
    curl_multi_remove_handle(client->multi, transfer->easy);
    transfer->in_flight = false;
    client->in_flight--;
    return true;
}

size_t tb_http_client_in_flight(const struct tb_http_client *client)
{
    return client->in_flight;
}

enum tb_code tb_http_client_perform(struct tb_http_client *client,
                                    const struct tb_http_request *request,
                                    struct tb_http_response *ret_response, struct tb_error *err)
{
    struct tb_http_response response = {0};
    enum tb_code code = TB_OK;
    size_t tag = 0;

    if (!tb_http_client_start(client, request, 0))
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    while (!tb_http_client_next_done(client, &tag, &code, &response, err))
        tb_http_client_wait(client, -1, 1000);
    if (code != TB_OK)
        tb_http_response_release(&response);
    else
        *ret_response = response;
    return code;
}

void tb_url_add_segment(struct tb_buf *path, const char *segment)
{
    char *escaped = curl_easy_escape(NULL, segment, 0);

    path->failed |= !escaped;
    tb_buf_adds(path, escaped ? escaped : "");
    curl_free(escaped);
}

void tb_url_add_query(struct tb_buf *path, const char *name, const char *value)
{
    if (!value)
        return;
    tb_buf_addc(path, path->data && strchr(path->data, '?') ? '&' : '?');
    tb_buf_addf(path, "%s=", name);
    tb_url_add_segment(path, value);
}
