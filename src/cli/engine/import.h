/* Import: places one order for each line of a file, several at the same time, and reports refused
 * lines in the order of the file.
 *
 *            request sent         response: placed or refused
 *   READY ----------------> SENT ----------------------------> DONE
 *     ^                      |
 *     '----------------------'  server busy, full or unreachable: sent again after a pause;
 *                               or the response said which key the line has
 *
 * Running an import again adds no order twice, as long as the server remembers the keys
 * (import_keys.h). A key stands for one body: what is sent is the canonical text of the line, and
 * the line itself if an earlier build has placed it.
 *
 * Memory:  bounded for a file of any size: TB_IMPORT_IN_FLIGHT lines and their orders,
 * TB_IMPORT_WINDOW refusals, and the occurrences of TB_OCCURRENCES_MAX different lines, with which
 * it ends. Errors:  `failure` and `failure_text` say why the import ended early. Units:
 * milliseconds of the monotonic clock. */
#pragma once
#include "base/time/backoff.h"
#include "cli/engine/import_keys.h"
#include "cli/engine/line_reader.h"
#include "cli/http/send.h"
#include "cli/output/progress.h"
#include <signal.h>

/* Requests at the same time: enough to fill the server's group commits. More would only queue. */
#define TB_IMPORT_IN_FLIGHT 16

enum tb_import_state { TB_SLOT_READY, TB_SLOT_SENT, TB_SLOT_DONE };

struct tb_import_slot {
    enum tb_import_state state;
    int64_t line;
    struct tb_buf body, order; /* the line, and its canonical text */
    struct tb_import_key key;
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
    struct tb_import_keys keys;
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
/* Releases the lines and the keys, not the client. */
void tb_import_release(struct tb_import *import);
