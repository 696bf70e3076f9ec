/* Digests: a line for each order that another process holds, in the order of their ids, fetched a
 * page at a time.
 *
 * Thread:  one.
 * Memory:  one page of a stream at a time, whatever there is; tb_digest_stream_close frees it.
 * Errors:  an exit status; anything but TB_EXIT_DONE has been explained on standard error.
 * Units:   money in minor units (_minor). */
#pragma once
#include "cli/cli.h"
#include "cli/http/client.h"
#include "order/order.h"

#define TB_DIGEST_HASH_SIZE 65
#define TB_DIGEST_STATUS_SIZE 16
#define TB_DIGEST_REASON_SIZE 240

struct tb_digest {
    char order_id[TB_UUID_SIZE], node[TB_NODE_MAX + 1], status[TB_DIGEST_STATUS_SIZE];
    char currency[4], hash[TB_DIGEST_HASH_SIZE];
    int64_t version, total_minor;
    bool pending;                       /* the log has not acknowledged its last event */
    char parked[TB_DIGEST_REASON_SIZE]; /* why it never will; "": it will */
};
struct tb_digest_stream {
    struct tb_cli cli; /* with the url */
    struct tb_http_client *client;
    struct tb_http_response page;
    struct tb_str list; /* of page */
    size_t cursor;
    char next[TB_UUID_SIZE]; /* where the next page begins; "": this is the last */
    struct tb_digest now;    /* the order that the stream stands at */
    bool over;               /* it stands behind the last */
};
/* Stands at the first order then. */
int tb_digest_stream_open(struct tb_digest_stream *digests, const struct tb_cli *cli,
                          const char *url);
void tb_digest_stream_close(struct tb_digest_stream *digests); /* zeroed is fine */
int tb_digest_stream_next(struct tb_digest_stream *digests);
/* One order, as it is now; the stream stays where it stands. */
int tb_digest_stream_find(struct tb_digest_stream *digests, const char *order_id,
                          struct tb_digest *ret_digest, bool *ret_found);
/* A question to the same process; a busy one is waited for a while. */
int tb_digest_stream_get(struct tb_digest_stream *digests, const char *path,
                         struct tb_http_response *ret_reply);
