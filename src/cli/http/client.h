/* HTTP client: requests over keep-alive connections, several at the same time.
 *
 * Memory:  a request's texts are borrowed until it is done; a response belongs to the caller.
 * Errors:  TB_UNAVAILABLE: no connection, nothing was sent; TB_UNKNOWN: sent, but no complete
 *          response came. Any HTTP status is TB_OK. */
#pragma once
#include "cli/http/cjson.h"

/* 500 whole orders of 1,000 long lines; a larger response is not from our server. */
#define TB_RESPONSE_MAX ((size_t)256 << 20)
/* Connecting takes milliseconds. A longer wait would only delay the error for a wrong address. */
#define TB_CONNECT_MAX_MS 5000
/* Responses come within milliseconds, so a server that takes this long does not work. */
#define TB_HTTP_TIMEOUT_MS 30000

struct tb_http_request {
    const char *method;
    const char *path;     /* with its query, escaped */
    struct tb_str body;   /* absent: none */
    const char *key;      /* Idempotency-Key; NULL: none */
    const char *if_match; /* a version; NULL: none */
    int64_t wait_ms;      /* the server may wait this long before it answers */
};

struct tb_http_response {
    int status;
    bool replayed;          /* Idempotency-Replayed: true */
    int64_t retry_after_ms; /* 0: no Retry-After */
    struct tb_buf body;
    cJSON *json; /* owned; NULL until tb_http_response_json has parsed the body */
};
void tb_http_response_release(struct tb_http_response *response); /* and zeroes it */
/* Parses the body once, and returns response->json; NULL: the body is not JSON. */
const cJSON *tb_http_response_json(struct tb_http_response *response);

struct tb_http_client;
/* The client borrows the URL. TB_INVALID: its scheme is not http or https, or it has a query. */
TB_CHECKED enum tb_code tb_http_client_open(const char *url, size_t in_flight_max,
                                            struct tb_http_client **ret_client,
                                            struct tb_error *err);
void tb_http_client_free(struct tb_http_client *client); /* NULL is fine */

/* Sends one request and waits for its response. No other request may be in flight. */
TB_CHECKED enum tb_code tb_http_client_perform(struct tb_http_client *client,
                                               const struct tb_http_request *request,
                                               struct tb_http_response *ret_response,
                                               struct tb_error *err);

/* Starts a request. Fewer than in_flight_max may be in flight. False: out of memory; nothing is
 * sent. */
bool tb_http_client_start(struct tb_http_client *client, const struct tb_http_request *request,
                          size_t tag);
/* Waits until a request may be done, readable_fd (-1: none) is readable, or the time is over. */
void tb_http_client_wait(struct tb_http_client *client, int readable_fd, int64_t timeout_ms);
/* Takes a request that is done out of flight; false: there is none. *ret_tag is the tag that the
 * request was started with, and *ret_code the code that tb_http_client_perform would return. */
bool tb_http_client_next_done(struct tb_http_client *client, size_t *ret_tag,
                              enum tb_code *ret_code, struct tb_http_response *ret_response,
                              struct tb_error *err);
size_t tb_http_client_in_flight(const struct tb_http_client *client);

/* Appends ?name=value or &name=value, escaped; nothing if value is NULL. */
void tb_url_add_query(struct tb_buf *path, const char *name, const char *value);
/* Appends one segment of a path, escaped. */
void tb_url_add_segment(struct tb_buf *path, const char *segment);
