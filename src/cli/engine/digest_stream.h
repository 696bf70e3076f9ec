/* Digests: one line for each order that another process stores, sorted by order id, fetched page
 * by page.
 *
 * Thread:  main.
 * Memory:  one page for each stream; tb_digest_stream_close frees it.
 * Errors:  an exit status. Whatever is not TB_EXIT_DONE has been printed.
 * Units:   money in minor units (_minor). */
#pragma once
#include "cli/http/send.h"
#include "order/order.h"

#define TB_DIGEST_HASH_SIZE 65
#define TB_DIGEST_STATUS_SIZE 16
#define TB_DIGEST_REASON_SIZE 240
/* So many characters of a hash distinguish two contents for a person. */
#define TB_DIGEST_HASH_SHOWN 8

struct tb_digest {
    char order_id[TB_UUID_SIZE], node[TB_NODE_MAX + 1], status[TB_DIGEST_STATUS_SIZE];
    char currency[4], hash[TB_DIGEST_HASH_SIZE];
    int64_t version, total_minor;
    bool pending;                       /* the log has not acknowledged the last event */
    char parked[TB_DIGEST_REASON_SIZE]; /* why the log never will; "": it will */
};
struct tb_digest_stream {
    struct tb_cli cli; /* with the stream's URL */
    struct tb_http_client *client;
    struct tb_http_response page;
    const cJSON *element;     /* of the page: the next one to read; NULL: the page is read */
    char next[TB_UUID_SIZE];  /* the first order of the next page; "": this page is the last */
    struct tb_digest current; /* valid unless ended */
    bool ended;
};
/* The stream is at its first order then. */
int tb_digest_stream_open(struct tb_digest_stream *stream, const struct tb_cli *cli,
                          const char *url);
void tb_digest_stream_close(struct tb_digest_stream *stream); /* a zeroed one is fine */
int tb_digest_stream_next(struct tb_digest_stream *stream);
/* Asks for one order as it is now; the stream does not move. */
int tb_digest_stream_find(struct tb_digest_stream *stream, const char *order_id,
                          struct tb_digest *ret_digest, bool *ret_found);
/* GETs another path of the same process. Waits some seconds for a busy one. */
int tb_digest_stream_get(struct tb_digest_stream *stream, const char *path,
                         struct tb_http_response *ret_response);
