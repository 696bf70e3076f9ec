/* Import: places one order for each line of a file, several at the same time, and reports refused
 * lines in the order of the file.
 *
 *            request sent         response: placed or refused
 *   READY ----------------> SENT ----------------------------> DONE
 *     ^                      |
 *     '----------------------'  server busy, full or unreachable: sent again after a pause
 *
 * The idempotency key of a line is made of its content and number. So running an import again adds
 * no order twice, as long as the server remembers the keys.
 *
 * Memory:  bounded: TB_IMPORT_IN_FLIGHT bodies and TB_IMPORT_WINDOW refusals, for a file of any
 *          size.
 * Errors:  `failure` and `failure_text` say why the import ended early.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "base/time/backoff.h"
#include "cli/engine/line_reader.h"
#include "cli/http/send.h"
#include "cli/output/progress.h"
#include <signal.h>

/* Requests at the same time: enough to fill the server's group commits. More would only queue. */
#define TB_IMPORT_IN_FLIGHT 16
/* The oldest line that is not DONE and those read after it are at most this many. */
#define TB_IMPORT_WINDOW 64
/* "import-", the line's number, "-", 64 hex digits and a NUL. */
#define TB_IMPORT_KEY_SIZE 96

enum tb_import_state { TB_SLOT_READY, TB_SLOT_SENT, TB_SLOT_DONE };

struct tb_import_slot {
    enum tb_import_state state;
    int64_t line;
    struct tb_buf body;
    char key[TB_IMPORT_KEY_SIZE];
    bool refused;
    struct tb_http_response refusal; /* if refused: status and body */
};

struct tb_import {
    struct tb_cli *cli;
    struct tb_http_client *client;
    struct tb_line_reader lines;
    struct tb_progress progress;
    struct tb_import_slot slots[TB_IMPORT_WINDOW];
    uint64_t head,
        tail;          /* lines from head to tail - 1 have a slot; all before head are reported */
    size_t unfinished; /* slots that are READY or SENT */
    bool input_ended;
    int64_t imported, already_there, refused;
    bool refusal_printed; /* at least one */
    /* While the server is busy or unreachable, all lines wait. */
    struct tb_backoff backoff;
    int64_t pause_until_ms;
    char pause_note[160];
    bool server_answered; /* at least once; before that, an unreachable server ends the import */
    int64_t last_done_ms, give_up_ms;
    bool stopping; /* no line is sent any more */
    int failure;   /* an exit status; TB_EXIT_DONE: none */
    char failure_text[300];
};

/* Returns when the input has ended, *stop_requested is set, or the import has failed. */
void tb_import_run(struct tb_import *import, const volatile sig_atomic_t *stop_requested);
/* Returns the number of the first line that was neither placed nor refused, as far as we know. */
int64_t tb_import_resume_line(const struct tb_import *import);
