/* Outage memory: the problem of the moment, and which problems of this outage were reported.
 *
 * A problem is shown as long as it lasts and reported once, however often it is met.
 *
 * Thread:  one owner; tb_outage_problem from any.
 * Memory:  texts are copied. */
#pragma once
#include "base/error.h"
#include <pthread.h>
#include <stdbool.h>

#define TB_OUTAGE_TEXT_SIZE sizeof(((struct tb_error *)0)->text)
/* Different problems that are reported of one outage: a library that words one problem in many
 * ways must not fill the diagnostics. */
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

/* How tb_outage_update words its two reports. */
struct tb_outage_words {
    const char *failing_event, *working_event; /* "relay.failing", "relay.running" */
    const char *failing, *working;             /* "%s: the error", "%s again" */
};
/* Takes what fails now and reports it if it is new; TB_OK ends the outage and reports that. */
void tb_outage_update(struct tb_outage *outage, const struct tb_outage_words *words,
                      const struct tb_error *err);

/* For an owner that words its reports itself. "": there is no problem at the moment. */
void tb_outage_set_problem(struct tb_outage *outage, const char *text);
/* True: the text is neither the problem of the moment nor reported; it now counts as reported. */
bool tb_outage_is_new(struct tb_outage *outage, const char *text);
/* True: something had been reported of the outage that ends. The problem stays as it is. */
bool tb_outage_end(struct tb_outage *outage);
