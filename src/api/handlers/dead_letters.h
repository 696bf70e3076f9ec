/* Dead letters over HTTP: what is asked, and how a letter looks in JSON.
 *
 * Thread:  a question is made on the api thread and answered on a query thread.
 * Memory:  a question lives in its exchange's arena.
 * Errors:  refusals are in the reply.
 * Units:   bytes. */
#pragma once
#include "api/handlers/context.h"
#include "api/handlers/cursor.h"
#include "api/http/listen.h"

/* A page ends early once it is so large: values are up to 7 MiB each, and 500 may be asked for. */
#define TB_DEAD_LETTERS_PAGE_BYTES (1u << 20)
/* Letters of an order that one request sends again. Each waits for its acknowledgement, on a
 * thread that others want to ask. */
#define TB_DEAD_LETTERS_REPLAY_MAX 500

struct tb_dead_letter_query {
    struct tb_dead_letter_filter filter;     /* of a list */
    struct tb_dead_letter_position position; /* of one letter */
    struct tb_str value;         /* to be sent instead of the letter's own; absent: none */
    char order_id[TB_UUID_SIZE]; /* whose letters are sent again */
    char who[TB_PEER_TEXT_SIZE]; /* asks that something be done */
};

tb_query_fn tb_query_dead_letters, tb_query_dead_letter;
tb_query_fn tb_replay_dead_letter, tb_replay_dead_letters, tb_drop_dead_letter;
void tb_dead_letter_add_json(struct tb_buf *out, const char *topic,
                             const struct tb_dead_letter *letter);
