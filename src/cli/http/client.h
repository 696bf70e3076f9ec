/* The other side of the API: requests over keep-alive HTTP connections, several side by side.
 *
 * Thread:  one owner.
 * Memory:  a request's texts are borrowed until it is finished; a reply is the caller's.
 * Errors:  TB_UNAVAILABLE: nobody there, nothing was sent; TB_UNKNOWN: sent, but no whole answer
 *          came. Any HTTP status is TB_OK.
 * Units:   milliseconds. */
#pragma once
#include "base/mem/buf.h"

/* 500 whole orders of 1,000 long lines; beyond that it is not our server. */
#define TB_RESPONSE_MAX ((size_t)256 << 20)
/* Connecting to a till is a matter of milliseconds; a longer wait only hides a wrong address. */
#define TB_CONNECT_MAX_MS 5000

struct tb_http_request {
    const char *method;
    const char *path;     /* with its query, already escaped */
    struct tb_str body;   /* absent: none */
    const char *key;      /* Idempotency-Key; NULL: none */
    const char *if_match; /* a version; NULL: none */
    int64_t timeout_ms;
};

struct tb_http_response {
    int status;
    bool replayed;          /* Idempotency-Replayed: true */
    int64_t retry_after_ms; /* 0: none was given */
    struct tb_buf body;
};
void tb_http_response_release(struct tb_http_response *reply);

struct tb_http_client;
/* TB_INVALID: not a URL of http or https. */
TB_CHECKED enum tb_code tb_http_client_open(const char *url, size_t in_flight_max,
                                            struct tb_http_client **ret_client,
                                            struct tb_error *err);
void tb_http_client_free(struct tb_http_client *client); /* NULL is fine */

/* One request, and waiting for its answer; nothing else may be in flight. */
TB_CHECKED enum tb_code tb_http_client_perform(struct tb_http_client *client,
                                               const struct tb_http_request *request,
                                               struct tb_http_response *ret_reply,
                                               struct tb_error *err);

/* Side by side: false when in_flight_max are under way already. tag comes back with the answer. */
bool tb_http_client_start(struct tb_http_client *client, const struct tb_http_request *request,
                          size_t tag);
/* Until something happens, readable_fd (-1: none) can be read, or the time is over. */
void tb_http_client_wait(struct tb_http_client *client, int readable_fd, int64_t timeout_ms);
/* The next finished one, if any: *ret_code is as of tb_http_client_perform. */
bool tb_http_client_next_done(struct tb_http_client *client, size_t *ret_tag,
                              enum tb_code *ret_code, struct tb_http_response *ret_reply,
                              struct tb_error *err);
size_t tb_http_client_in_flight(const struct tb_http_client *client);

/* ?name=value or &name=value, escaped; nothing when value is NULL. */
void tb_url_add_query(struct tb_buf *path, const char *name, const char *value);
/* One segment of a path, escaped. */
void tb_url_add_segment(struct tb_buf *path, const char *segment);
