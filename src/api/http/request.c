#include "api/http/request.h"
#include <stdlib.h>

/* A larger buffer is rare, so its memory is freed and not reused. */
#define KEEP_BYTES_MAX 65536
/* An ordinary command needs less; a page of /metrics or a dead letter would keep up to 7 MiB. */
#define KEEP_ARENA_BYTES_MAX 8192

#define TO(state) (1U << TB_REQUEST_##state)

static const unsigned legal_moves[TB_REQUEST_STATE_COUNT] = {
    [TB_REQUEST_FREE] = TO(HEAD) | TO(DETACHED),
    [TB_REQUEST_HEAD] = TO(BODY) | TO(SKIP_BODY) | TO(REFUSED) | TO(CUT_OFF) | TO(DETACHED),
    [TB_REQUEST_BODY] = TO(SERVING) | TO(REFUSED) | TO(CUT_OFF) | TO(DETACHED),
    [TB_REQUEST_SKIP_BODY] = TO(SERVING) | TO(CUT_OFF) | TO(DETACHED),
    [TB_REQUEST_REFUSED] = TO(SENDING) | TO(CUT_OFF) | TO(DETACHED),
    [TB_REQUEST_CUT_OFF] = TO(DETACHED),
    [TB_REQUEST_SERVING] = TO(POLLED) | TO(SUSPENDED) | TO(ANSWERED) | TO(DETACHED),
    [TB_REQUEST_POLLED] = TO(SUSPENDED) | TO(ANSWERED) | TO(DETACHED),
    [TB_REQUEST_SUSPENDED] = TO(ANSWERED) | TO(DETACHED),
    [TB_REQUEST_ANSWERED] = TO(SENDING) | TO(DETACHED),
    [TB_REQUEST_SENDING] = TO(DETACHED),
    [TB_REQUEST_DETACHED] = TO(FREE),
};

void tb_request_move(struct tb_request *req, enum tb_request_state state)
{
    TB_ASSERT(legal_moves[req->state] & (1U << state));
    req->state = state;
}

bool tb_request_awaits_reply(const struct tb_request *req)
{
    return req->state == TB_REQUEST_SERVING || req->state == TB_REQUEST_POLLED ||
           req->state == TB_REQUEST_SUSPENDED;
}

struct tb_request *tb_request_new(void)
{
    return calloc(1, sizeof(struct tb_request));
}

void tb_request_queue_push(struct tb_request_queue *queue, struct tb_request *req)
{
    req->next = NULL;
    if (queue->first)
        queue->last->next = req;
    else
        queue->first = req;
    queue->last = req;
}

struct tb_request *tb_request_queue_pop(struct tb_request_queue *queue)
{
    struct tb_request *req = queue->first;

    if (req)
        queue->first = req->next;
    return req;
}

static void clear_or_release(struct tb_buf *buf)
{
    if (buf->cap > KEEP_BYTES_MAX || buf->failed)
        tb_buf_release(buf);
    else
        tb_buf_clear(buf);
}

void tb_reply_release(struct tb_reply *reply)
{
    tb_answer_release(&reply->answer);
    tb_buf_release(&reply->link);
    *reply = (struct tb_reply){0};
}

void tb_request_clear(struct tb_request *req)
{
    struct tb_request fresh = {.target = req->target, .body = req->body, .arena = req->arena};

    tb_reply_release(&req->reply);
    tb_reply_release(&req->result);
    clear_or_release(&fresh.target);
    clear_or_release(&fresh.body);
    tb_arena_clear(&fresh.arena); /* which keeps the newest chunk */
    if (fresh.arena.at && (size_t)(fresh.arena.end - fresh.arena.at) > KEEP_ARENA_BYTES_MAX)
        tb_arena_release(&fresh.arena);
    *req = fresh;
}

void tb_request_free(struct tb_request *req)
{
    if (!req)
        return;
    tb_reply_release(&req->reply);
    tb_reply_release(&req->result);
    tb_buf_release(&req->target);
    tb_buf_release(&req->body);
    tb_arena_release(&req->arena);
    free(req);
}
