#include "cli/engine/import.h"
#include "cli/engine/canonical.h"
#include "cli/output/show.h"
#include <inttypes.h>
#include <stdarg.h>

/* A longer Retry-After is probably a mistake, and one request a minute does no harm. */
#define RETRY_AFTER_MAX_MS 60000
#define IDLE_WAIT_MS 1000
#define DRAW_WAIT_MS 100

static struct tb_import_slot *slot_at(struct tb_import *import, uint64_t index)
{
    return &import->slots[index % TB_IMPORT_WINDOW];
}

static void fail(struct tb_import *import, int exit_status, const char *format, ...)
    TB_PRINTF(3, 4);
static void fail(struct tb_import *import, int exit_status, const char *format, ...)
{
    va_list args;

    if (import->failure != TB_EXIT_DONE)
        return; /* the first failure is the cause of the others */
    import->failure = exit_status;
    import->stopping = true;
    va_start(args, format);
    vsnprintf(import->failure_text, sizeof import->failure_text, format, args);
    va_end(args);
}

static void release_texts(struct tb_import_slot *slot)
{
    tb_buf_release(&slot->body);
    tb_buf_release(&slot->order);
}

static void finish(struct tb_import *import, struct tb_import_slot *slot)
{
    slot->state = TB_SLOT_DONE;
    release_texts(slot);
    import->unfinished--;
    import->last_done_ms = tb_cli_now_ms();
}

static void refuse(struct tb_import *import, struct tb_import_slot *slot,
                   struct tb_http_response *response)
{
    tb_import_key_done(&import->keys, &slot->key, false);
    slot->refused = true;
    slot->refusal = *response;
    *response = (struct tb_http_response){0}; /* the slot owns it now */
    import->refused++;
    finish(import, slot);
}

/* Makes the order and the keys of a line. If that fails, the import ends before this line. */
static void make_key(struct tb_import *import, struct tb_import_slot *slot, struct tb_str line)
{
    struct tb_error err = {0};
    enum tb_code code = tb_canonical_add(&slot->order, line, &err);

    if (code == TB_INVALID) { /* the server says what is wrong with it */
        tb_buf_clear(&slot->order);
        tb_buf_add_str(&slot->order, line);
        code = TB_OK;
    }
    if (code == TB_OK)
        code = tb_import_key_make(&import->keys, line, tb_buf_str(&slot->order), slot->line,
                                  &slot->key, &err);
    if (code == TB_FULL)
        fail(import, TB_EXIT_FAILED,
             "%s: give each order an orderId and split the file before line %" PRId64, err.text,
             slot->line);
    else if (code != TB_OK)
        fail(import, TB_EXIT_FAILED, "%s", err.text);
}

/* Reads one line into a slot. False: no further line is there now. */
static bool read_line(struct tb_import *import)
{
    struct tb_import_slot *slot = slot_at(import, import->tail);
    struct tb_http_response too_long = {.status = 413};
    struct tb_error err = {0};
    struct tb_str line;
    enum tb_line_result result = tb_line_reader_next(&import->lines, &line, &err);

    if (result == TB_LINE_NOT_YET)
        return false;
    if (result == TB_LINE_END || result == TB_LINE_FAILED) {
        import->input_ended = true;
        if (result == TB_LINE_FAILED)
            fail(import, TB_EXIT_FAILED, "%s", err.text);
        return false;
    }
    *slot = (struct tb_import_slot){
        .state = TB_SLOT_READY, .line = import->lines.number, .key.index = import->tail};
    import->tail++;
    import->unfinished++;
    if (result == TB_LINE_TOO_LONG) {
        tb_buf_adds(&too_long.body, "{\"detail\":\"the line is longer than 1 MiB\"}");
        refuse(import, slot, &too_long);
        return true;
    }
    tb_buf_add_str(&slot->body, line);
    make_key(import, slot, line);
    if (!tb_buf_ok(&slot->body) || !tb_buf_ok(&slot->order))
        fail(import, TB_EXIT_FAILED, "out of memory");
    return true;
}

static bool may_read(const struct tb_import *import)
{
    return !import->stopping && !import->input_ended &&
           import->tail - import->head < TB_IMPORT_WINDOW &&
           import->unfinished < TB_IMPORT_IN_FLIGHT;
}

static void start_ready(struct tb_import *import)
{
    if (import->stopping || tb_cli_now_ms() < import->pause_until_ms)
        return;
    for (uint64_t i = import->head; i < import->tail; i++) {
        struct tb_import_slot *slot = slot_at(import, i);
        struct tb_http_request request = {
            .method = "POST", .path = "/orders", .key = slot->key.texts[slot->key.kind]};

        if (slot->key.asks)
            request.path = import->keys.ask_path;
        else
            request.body =
                tb_buf_str(slot->key.kind == TB_KEY_OF_ORDER ? &slot->order : &slot->body);
        if (slot->state != TB_SLOT_READY)
            continue;
        if (!tb_http_client_start(import->client, &request, (size_t)(i % TB_IMPORT_WINDOW))) {
            fail(import, TB_EXIT_FAILED, "out of memory");
            return;
        }
        slot->state = TB_SLOT_SENT;
    }
}

/* Makes all lines wait. The pauses grow until the server places or refuses an order again. Several
 * failures within one pause count as one. */
static void pause_all(struct tb_import *import, struct tb_import_slot *slot, int64_t at_least_ms,
                      int exit_status, const char *why)
{
    int64_t now = tb_cli_now_ms();
    int64_t wait_ms;

    slot->state = TB_SLOT_READY;
    if (now < import->pause_until_ms)
        return;
    if (now - import->last_done_ms > import->give_up_ms) {
        fail(import, exit_status, "%s: nothing moved for %" PRId64 " s", why,
             import->give_up_ms / 1000);
        return;
    }
    wait_ms = tb_backoff_next_ms(&import->backoff, &tb_random_system);
    if (at_least_ms > RETRY_AFTER_MAX_MS)
        at_least_ms = RETRY_AFTER_MAX_MS;
    import->pause_until_ms = now + (wait_ms > at_least_ms ? wait_ms : at_least_ms);
    snprintf(import->pause_note, sizeof import->pause_note, "%s", why);
}

/* True: every line would get this status, so the import stops instead of listing each line. */
static bool is_wrong_place(int status)
{
    return status < 200 || (status > 299 && status < 400) || status == 401 || status == 403 ||
           status == 404 || status == 405;
}

static bool is_temporary(int status)
{
    return status == 408 || status == 429 || (status >= 502 && status <= 504) || status == 507;
}

static void on_response(struct tb_import *import, struct tb_import_slot *slot,
                        struct tb_http_response *response)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf why = {0};

    import->server_answered = true;
    if (slot->key.asks && tb_import_key_answer(&import->keys, &slot->key, response->status)) {
        slot->state = TB_SLOT_READY; /* now the line itself is sent */
        return;
    }
    if (!slot->key.asks && (response->status == 200 || response->status == 201)) {
        import->imported++;
        import->already_there += response->replayed;
        tb_import_key_done(&import->keys, &slot->key, true);
        tb_backoff_reset(&import->backoff);
        finish(import, slot);
        return;
    }
    if (!slot->key.asks && !is_temporary(response->status) && !is_wrong_place(response->status)) {
        tb_backoff_reset(&import->backoff);
        refuse(import, slot, response);
        return;
    }
    tb_problem_text(&why, response, "; ");
    if (is_temporary(response->status)) {
        pause_all(import, slot, response->retry_after_ms, TB_EXIT_FAILED, tb_cli_text(&why));
        return;
    }
    slot->state = TB_SLOT_READY;
    fail(import, TB_EXIT_FAILED, "%s does not take orders: %s", import->cli->url,
         tb_cli_text(&why));
}

static void handle_responses(struct tb_import *import)
{
    struct tb_error err = {0};
    struct tb_http_response response = {0};
    enum tb_code code;
    size_t tag;

    while (tb_http_client_next_done(import->client, &tag, &code, &response, &err)) {
        struct tb_import_slot *slot = &import->slots[tag];

        TB_ASSERT(slot->state == TB_SLOT_SENT);
        if (code == TB_OK) {
            on_response(import, slot, &response);
        } else if (!import->server_answered && code == TB_UNAVAILABLE) {
            slot->state = TB_SLOT_READY;
            fail(import, TB_EXIT_UNREACHABLE, "%s", err.text);
        } else {
            pause_all(import, slot, 0, TB_EXIT_UNREACHABLE, err.text);
        }
        tb_http_response_release(&response);
    }
}

static void report_refusal(struct tb_import *import, struct tb_import_slot *slot)
{
    const struct tb_cli *cli = import->cli;
    char head[40];

    snprintf(head, sizeof head,
             cli->json           ? "\"line\":%" PRId64
             : cli->out_terminal ? "line %" PRId64 ": "
                                 : "line\t%" PRId64 "\t",
             slot->line);
    tb_show_refusal(cli, !import->refusal_printed, head, &slot->refusal);
    import->refusal_printed = true;
    slot->refused = false;
    tb_http_response_release(&slot->refusal);
}

/* Reports refused lines in the order of the file: up to the first line that is not DONE. all: also
 * those behind it. */
static void report_refusals(struct tb_import *import, bool all)
{
    bool in_order = true;

    for (uint64_t i = import->head; i < import->tail; i++) {
        struct tb_import_slot *slot = slot_at(import, i);

        in_order = in_order && slot->state == TB_SLOT_DONE;
        if (!in_order && !all)
            return;
        if (slot->state == TB_SLOT_DONE && slot->refused)
            report_refusal(import, slot);
        import->head += in_order;
    }
}

static void wait_for_events(struct tb_import *import)
{
    int64_t wait_ms = import->progress.on ? DRAW_WAIT_MS : IDLE_WAIT_MS;
    int64_t pause_ms = import->pause_until_ms - tb_cli_now_ms();
    char note[sizeof import->pause_note + 40];

    if (pause_ms > 0 && pause_ms < wait_ms)
        wait_ms = pause_ms;
    tb_http_client_wait(import->client, may_read(import) ? import->lines.fd : -1, wait_ms);
    pause_ms = import->pause_until_ms - tb_cli_now_ms();
    snprintf(note, sizeof note, "waiting %" PRId64 " s: %s", (pause_ms + 999) / 1000,
             import->pause_note);
    tb_progress_draw(&import->progress, import->imported + import->refused,
                     import->lines.consumed_bytes, pause_ms > 0 ? note : NULL);
}

void tb_import_run(struct tb_import *import, const volatile sig_atomic_t *stop_requested)
{
    import->last_done_ms = tb_cli_now_ms();
    for (;;) {
        import->stopping |= *stop_requested != 0;
        while (may_read(import) && read_line(import))
            continue;
        start_ready(import);
        if (tb_http_client_in_flight(import->client) == 0 &&
            (import->stopping || (import->input_ended && import->unfinished == 0)))
            break;
        wait_for_events(import);
        handle_responses(import);
        report_refusals(import, false);
    }
    report_refusals(import, true);
    tb_cli_clear_line();
}

int64_t tb_import_resume_line(const struct tb_import *import)
{
    for (uint64_t i = import->head; i < import->tail; i++)
        if (import->slots[i % TB_IMPORT_WINDOW].state != TB_SLOT_DONE)
            return import->slots[i % TB_IMPORT_WINDOW].line;
    return import->lines.number + 1;
}

void tb_import_release(struct tb_import *import)
{
    for (size_t i = 0; i < TB_IMPORT_WINDOW; i++)
        release_texts(&import->slots[i]);
    tb_buf_release(&import->lines.pending);
    tb_import_keys_release(&import->keys);
}
