/* Import keys: the idempotency keys of the lines of an import.
 *
 * A key is made of the order that the line says (canonical.h) and of how often that order has
 * come, so lines may be added, removed and moved between two runs, and blanks and the order of the
 * members do not matter.
 *
 * Earlier builds made the key of the line's bytes and how often these had come; those before them
 * of the bytes and the number of the line. A line that one has placed keeps that key. To learn
 * whether one has, without placing anything, the old key is sent with a command for an order that
 * does not exist: 422 says that the key was used for another request, 404 that it was not used.
 * Every line asks for its bytes: they may stand anywhere in the file by now. To ask for every
 * number that a line may have had would take the square of their count, so what the oldest builds
 * have placed and somebody has moved since is placed again. For its present number only the lines
 * at the beginning of the file ask: an import goes through the file in its order, so behind a line
 * that it has neither placed nor refused, at most the window's are placed. Which lines it has
 * refused is not known: TB_IMPORT_WINDOW lines that it has not placed must be accepted now.
 *
 * Memory:  bounded, twice that of occurrences.h.
 * Errors:  TB_FULL, TB_INTERNAL as tb_occurrences_add. */
#pragma once
#include "base/mem/buf.h"
#include "cli/engine/occurrences.h"

/* The oldest line that is not DONE and those read after it are at most this many. */
#define TB_IMPORT_WINDOW 64
/* So many lines ask for their number behind the last one that such a build may have placed or
 * refused. When a line is read, all but the window's are DONE: those have answered. */
#define TB_IMPORT_ASK_AHEAD (2 * TB_IMPORT_WINDOW)
/* "import-order-", 64 hex digits, "-", a number and a NUL. */
#define TB_IMPORT_KEY_SIZE 104

struct tb_import_keys {
    struct tb_occurrences lines, orders;
    uint64_t ask_end;  /* lines with a lower index ask for their number */
    bool asked_all;    /* a line did not: then none does any more */
    int accepted_anew; /* lines that no build with numbers has placed */
    char ask_path[64]; /* of a command for an order that does not exist */
};
/* Of the oldest builds, of those behind them, of this one: asked for in this order. */
enum tb_import_key_kind {
    TB_KEY_OF_NUMBER,
    TB_KEY_OF_LINE,
    TB_KEY_OF_ORDER,
    TB_KEY_KIND_COUNT,
};
/* The keys of one line. */
struct tb_import_key {
    uint64_t index; /* of the lines that are not blank, from 0 */
    enum tb_import_key_kind kind;
    bool asks; /* send texts[kind] to ask_path; false: it is the key of the line */
    char texts[TB_KEY_KIND_COUNT][TB_IMPORT_KEY_SIZE];
};

/* lines_max: different lines, see occurrences.h. */
void tb_import_keys_init(struct tb_import_keys *keys, size_t lines_max);
void tb_import_keys_release(struct tb_import_keys *keys);
/* Makes the keys of the next line; key->index is set. order: its canonical text, or the line if it
 * has none. number: of the line in the file. */
TB_CHECKED enum tb_code tb_import_key_make(struct tb_import_keys *keys, struct tb_str line,
                                           struct tb_str order, int64_t number,
                                           struct tb_import_key *key, struct tb_error *err);
/* Takes the answer to a question. False: the status is no answer. */
bool tb_import_key_answer(struct tb_import_keys *keys, struct tb_import_key *key, int status);
/* The server has the order now, or has refused it. */
void tb_import_key_done(struct tb_import_keys *keys, const struct tb_import_key *key,
                        bool accepted);
