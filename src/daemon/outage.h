/* An outage of one part: its present problem, which status pages show, and the problems that were
 * reported already, so that each is reported once.
 *
 * Thread:  one owner; tb_outage_problem from any. */
#pragma once
#include "base/error.h"
#include <pthread.h>
#include <stdbool.h>

#define TB_OUTAGE_TEXT_SIZE sizeof(((struct tb_error *)0)->text)
/* At most this many different problems of one outage are reported: a library that has many texts
 * for one problem must not fill the diagnostics. */
#define TB_OUTAGE_REPORTS_MAX 4

struct tb_outage {
    pthread_mutex_t lock;              /* guards problem */
    char problem[TB_OUTAGE_TEXT_SIZE]; /* "": none */
    char reported[TB_OUTAGE_REPORTS_MAX][TB_OUTAGE_TEXT_SIZE];
    size_t reported_count;
};
void tb_outage_init(struct tb_outage *outage);
void tb_outage_release(struct tb_outage *outage);
void tb_outage_problem(struct tb_outage *outage, char ret_text[TB_OUTAGE_TEXT_SIZE]);

/* The two diagnostics of tb_outage_update. */
struct tb_outage_words {
    const char *failing_event, *working_event; /* "relay.failing", "relay.running" */
    const char *failing, *working;             /* "%s: the error", "%s again" */
};
/* Makes err the present problem, and reports it if it is new. TB_OK: the outage is over, which is
 * reported if the outage was. */
void tb_outage_update(struct tb_outage *outage, const struct tb_outage_words *words,
                      const struct tb_error *err);

/* For an owner with diagnostics of its own. text "": there is no problem now. */
void tb_outage_set_problem(struct tb_outage *outage, const char *text);
/* True: report this text. It is not the present problem, was not reported in this outage, and
 * counts as reported from now on. */
bool tb_outage_is_new(struct tb_outage *outage, const char *text);
/* Ends the outage but leaves the problem as it is. True: the outage was reported, so report its
 * end too. */
bool tb_outage_end(struct tb_outage *outage);
