/* Import: places one order per line, several side by side, and tells of each line in order.
 *
 *            start             answered, refused
 *   READY ----------> FLYING --------------------> DONE, told once all earlier lines are
 *     ^                  |
 *     '------------------'  busy, full or out of reach: after a pause
 *
 * Every line has an idempotency key of its own, made of its content and number, so that
 * whatever happened before, running it again adds nothing.
 *
 * Thread:  one owner.
 * Memory:  bounded: at most IN_FLIGHT bodies and WINDOW reports, whatever the file's size.
 * Errors:  what ended it before its time is in `failure`.
 * Units:   milliseconds of the monotonic clock. */
#pragma once
#include "base/time/backoff.h"
#include "cli/cli.h"
#include "cli/engine/line_reader.h"
#include "cli/http/client.h"
#include "cli/output/progress.h"
#include <signal.h>

/* Enough to fill the server's group commits; more would only queue there. */
#define TB_IMPORT_IN_FLIGHT 16
/* Lines done while an earlier one is not: how far one slow answer lets the others run ahead. */
#define TB_IMPORT_WINDOW 64
/* "import-", a line's number, "-", 64 hex digits and a NUL. */
#define TB_IMPORT_KEY_SIZE 96

enum tb_import_state { TB_SLOT_READY, TB_SLOT_SENT, TB_SLOT_DONE };

struct tb_import_slot {
    enum tb_import_state state;
    int64_t line;
    struct tb_buf body;
    char key[TB_IMPORT_KEY_SIZE];
    bool refused;
    struct tb_http_response refusal; /* status and body, when refused */
};

struct tb_import {
    struct tb_cli *cli;
    struct tb_http_client *client;
    struct tb_line_reader lines;
    struct tb_progress progress;
    struct tb_import_slot slots[TB_IMPORT_WINDOW];
    uint64_t head, tail; /* slots in use: head is the oldest that is not told */
    size_t unfinished;   /* of them READY or FLYING */
    bool input_over;
    int64_t imported, already_there, refused;
    int64_t told; /* refused lines printed */
    /* When the server cannot take more, all wait together. */
    struct tb_backoff backoff;
    int64_t pause_until_ms;
    char pause_note[160];
    bool answered; /* somebody is there */
    int64_t progress_ms, give_up_ms;
    /* Ended before its time. */
    bool stopping;
    int failure; /* an exit status; TB_EXIT_DONE: none */
    char failure_text[300];
};

/* Reads, sends and tells until the input is over, *stop_requested is set or it fails. */
void tb_import_run(struct tb_import *import, const volatile sig_atomic_t *stop_requested);
/* The first line of which nothing is known. */
int64_t tb_import_resume_line(const struct tb_import *import);
/* The key of a line: content and number. */
void tb_import_key(struct tb_str content, int64_t line, char ret_key[TB_IMPORT_KEY_SIZE]);

/* Told for each refused line, in the order of lines. */
void tb_import_print_refusal(struct tb_import *import, const struct tb_import_slot *slot);
