#include "api/http/request.h"
#include <stdlib.h>

/* A body larger than this is rare; its memory goes back at once. */
#define KEEP_BYTES_MAX 65536

struct tb_exchange *tb_exchange_new(void)
{
    return calloc(1, sizeof(struct tb_exchange));
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

void tb_exchange_clear(struct tb_exchange *x)
{
    struct tb_exchange fresh = {.target = x->target, .body = x->body, .arena = x->arena};
    bool large = x->body.cap > KEEP_BYTES_MAX;

    tb_reply_release(&x->reply);
    tb_reply_release(&x->lookup.found);
    recycle(&fresh.target);
    recycle(&fresh.body);
    if (large)
        tb_arena_release(&fresh.arena);
    else
        tb_arena_clear(&fresh.arena);
    *x = fresh;
}

void tb_exchange_free(struct tb_exchange *x)
{
    if (x == NULL)
        return;
    tb_reply_release(&x->reply);
    tb_reply_release(&x->lookup.found);
    tb_buf_release(&x->target);
    tb_buf_release(&x->body);
    tb_arena_release(&x->arena);
    free(x);
}
