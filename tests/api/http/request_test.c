/* Promise: a request moves only as drawn in request.h. Method: every pair of states, legal and
 * illegal ones, and the paths that requests take. */
#include "api/http/request.h"
#include "support/support.h"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

/* The moves of the drawing, a line for each state. */
#define ends TB_REQUEST_STATE_COUNT
static const enum tb_request_state moves[TB_REQUEST_STATE_COUNT][8] = {
    [TB_REQUEST_FREE] = {TB_REQUEST_HEAD, TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_HEAD] = {TB_REQUEST_BODY, TB_REQUEST_SKIP_BODY, TB_REQUEST_REFUSED,
                         TB_REQUEST_CUT_OFF, TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_BODY] = {TB_REQUEST_SERVING, TB_REQUEST_REFUSED, TB_REQUEST_CUT_OFF,
                         TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_SKIP_BODY] = {TB_REQUEST_SERVING, TB_REQUEST_CUT_OFF, TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_REFUSED] = {TB_REQUEST_SENDING, TB_REQUEST_CUT_OFF, TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_CUT_OFF] = {TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_SERVING] = {TB_REQUEST_POLLED, TB_REQUEST_SUSPENDED, TB_REQUEST_ANSWERED,
                            TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_POLLED] = {TB_REQUEST_SUSPENDED, TB_REQUEST_ANSWERED, TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_SUSPENDED] = {TB_REQUEST_ANSWERED, TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_ANSWERED] = {TB_REQUEST_SENDING, TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_SENDING] = {TB_REQUEST_DETACHED, ends},
    [TB_REQUEST_DETACHED] = {TB_REQUEST_FREE, ends},
};

static bool is_legal(enum tb_request_state from, enum tb_request_state to)
{
    for (int i = 0; moves[from][i] != ends; i++) {
        if (moves[from][i] == to)
            return true;
    }
    return false;
}

/* Does the move end the process? */
static bool move_aborts(enum tb_request_state from, enum tb_request_state to)
{
    int status = 0;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct tb_request req = {.state = from};
        fclose(stderr); /* the assertion's text */
        tb_request_move(&req, to);
        _exit(req.state == to ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

START_TEST(legal_moves)
{
    for (enum tb_request_state from = 0; from < TB_REQUEST_STATE_COUNT; from++) {
        for (int i = 0; moves[from][i] != ends; i++) {
            struct tb_request req = {.state = from};
            tb_request_move(&req, moves[from][i]);
            ck_assert_int_eq(req.state, moves[from][i]);
        }
    }
}
END_TEST

START_TEST(illegal_moves_abort)
{
    for (enum tb_request_state to = 0; to < TB_REQUEST_STATE_COUNT; to++)
        ck_assert(is_legal((enum tb_request_state)_i, to) ||
                  move_aborts((enum tb_request_state)_i, to));
}
END_TEST

/* The client waits for a reply while the handler or a worker has the request, and only then. */
START_TEST(awaits_reply)
{
    struct tb_request req = {0};

    for (req.state = 0; req.state < TB_REQUEST_STATE_COUNT; req.state++)
        ck_assert(tb_request_awaits_reply(&req) ==
                  (req.state >= TB_REQUEST_SERVING && req.state <= TB_REQUEST_SUSPENDED));
}
END_TEST

/* A cleared request is like a new one, in whichever states it was before. */
START_TEST(cleared)
{
    static const enum tb_request_state path[] = {
        TB_REQUEST_HEAD,    TB_REQUEST_BODY,      TB_REQUEST_SERVING,
        TB_REQUEST_POLLED,  TB_REQUEST_SUSPENDED, TB_REQUEST_ANSWERED,
        TB_REQUEST_SENDING, TB_REQUEST_DETACHED,  TB_REQUEST_FREE};
    struct tb_request *req = tb_request_new();

    ck_assert_ptr_nonnull(req);
    for (size_t i = 0; i < sizeof path / sizeof *path; i++)
        tb_request_move(req, path[i]);
    tb_buf_adds(&req->body, "body");
    tb_buf_adds(&req->reply.answer.body, "reply");
    req->reply.answer.status = 200;
    req->poll_until_ms = 1;
    ck_assert_ptr_nonnull(tb_arena_alloc(&req->arena, 100000)); /* too much to be kept */
    ck_assert(tb_reply_filled(&req->reply));
    tb_request_clear(req);
    ck_assert_int_eq(req->state, TB_REQUEST_FREE);
    ck_assert_uint_eq(req->body.len, 0);
    ck_assert(!tb_reply_filled(&req->reply));
    ck_assert_int_eq(req->poll_until_ms, 0);
    ck_assert_ptr_null(req->arena.chunks);
    ck_assert_ptr_nonnull(tb_arena_alloc(&req->arena, 100));
    tb_request_clear(req);
    ck_assert_ptr_nonnull(req->arena.chunks); /* the next request uses it */
    tb_request_free(req);
}
END_TEST

START_TEST(first_in_first_out)
{
    struct tb_request_queue queue = {0};
    struct tb_request one = {0}, two = {0};

    for (int round = 0; round < 2; round++) {
        tb_request_queue_push(&queue, &one);
        tb_request_queue_push(&queue, &two);
        ck_assert_ptr_eq(tb_request_queue_pop(&queue), &one);
        tb_request_queue_push(&queue, &one);
        ck_assert_ptr_eq(tb_request_queue_pop(&queue), &two);
        ck_assert_ptr_eq(tb_request_queue_pop(&queue), &one);
        ck_assert_ptr_null(tb_request_queue_pop(&queue));
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("request");
    TCase *tc = tcase_create("request");

    tcase_add_test(tc, legal_moves);
    tcase_add_loop_test(tc, illegal_moves_abort, 0, TB_REQUEST_STATE_COUNT);
    tcase_add_test(tc, awaits_reply);
    tcase_add_test(tc, cleared);
    tcase_add_test(tc, first_in_first_out);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
