/* The digests of another process: a summary of each order that it stores, sorted by order id and
 * fetched page by page.
 *
 * Memory:  one page for each stream; tb_digest_stream_close frees it. */
#pragma once
#include "base/time/timefmt.h"
#include "cli/http/send.h"
#include "order/order.h"

#define TB_DIGEST_HASH_SIZE 65
#define TB_DIGEST_STATUS_SIZE 16
#define TB_DIGEST_REASON_SIZE 240
/* The first characters of a hash: enough for a person to see that two hashes differ. */
#define TB_DIGEST_HASH_SHOWN 8

#define TB_DIGEST_COLUMN_SIZE 16

struct tb_digest {
    char order_id[TB_UUID_SIZE], node[TB_NODE_MAX + 1], status[TB_DIGEST_STATUS_SIZE];
    char currency[4], hash[TB_DIGEST_HASH_SIZE];
    int64_t version, total_minor;
    char business_date[TB_DATE_SIZE];
    bool is_return;
    bool pending;                       /* the log has not acknowledged the last event */
    char parked[TB_DIGEST_REASON_SIZE]; /* why that event can never be delivered; "": it can */
    /* What the view finds the order by, but with another value than the order has; "": nothing. */
    char column_differs[TB_DIGEST_COLUMN_SIZE];
};
/* DEFAULT: of an edge's store, or of a central's view. */
enum tb_digests_of { TB_DIGESTS_DEFAULT, TB_DIGESTS_OF_VIEW };
struct tb_digest_stream {
    struct tb_cli cli; /* a copy whose url is the process of this stream */
    enum tb_digests_of of;
    struct tb_http_client *client;
    struct tb_http_response page;
    const cJSON *element;     /* the next one to read; NULL: the whole page is read */
    char next[TB_UUID_SIZE];  /* id of the next page's first order; "": this page is the last */
    struct tb_digest current; /* valid unless ended */
    bool ended;
};
/* Opens the stream and reads its first order. */
int tb_digest_stream_open(struct tb_digest_stream *stream, const struct tb_cli *cli,
                          const char *url, enum tb_digests_of of);
void tb_digest_stream_close(struct tb_digest_stream *stream); /* a zeroed one is fine */
/* Moves to the next order, or sets `ended`. */
int tb_digest_stream_next(struct tb_digest_stream *stream);
/* Fetches the digest that one order has now. Does not move the stream. */
int tb_digest_stream_find(struct tb_digest_stream *stream, const char *order_id,
                          struct tb_digest *ret_digest, bool *ret_found);
/* GETs any path of the same process. Repeats the request for some seconds if the answer is 503. */
int tb_digest_stream_get(struct tb_digest_stream *stream, const char *path,
                         struct tb_http_response *ret_response);
