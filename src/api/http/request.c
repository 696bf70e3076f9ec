#include "api/http/request.h"
#include <stdlib.h>

/* A body larger than this is rare; its memory goes back at once. */
#define KEEP_BYTES_MAX 65536

struct tb_request *tb_request_new(void)
{
    return calloc(1, sizeof(struct tb_request));
}

static void recycle(struct tb_buf *buf)
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
    bool large = req->body.cap > KEEP_BYTES_MAX;

    tb_reply_release(&req->reply);
    tb_reply_release(&req->view_query.found);
    recycle(&fresh.target);
    recycle(&fresh.body);
    if (large)
        tb_arena_release(&fresh.arena);
    else
        tb_arena_clear(&fresh.arena);
    *req = fresh;
}

void tb_request_free(struct tb_request *req)
{
    if (req == NULL)
        return;
    tb_reply_release(&req->reply);
    tb_reply_release(&req->view_query.found);
    tb_buf_release(&req->target);
    tb_buf_release(&req->body);
    tb_arena_release(&req->arena);
    free(req);
}
