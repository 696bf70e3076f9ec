/* What stands in a central's way: shown as long as it lasts, told once.
 *
 * Thread:  any.
 * Memory:  texts are copied.
 * Errors:  none.
 * Units:   none. */
#pragma once
#include "base/error.h"
#include <pthread.h>

/* The first is the gravest. */
enum outage_source { OUTAGE_EVENTS, OUTAGE_NODES, OUTAGE_SOURCE_COUNT };

#define OUTAGE_SIZE 240
/* Different ones told of one outage; a library that words one in many ways is cut off. */
#define OUTAGE_REPORTED_MAX 4

struct central_outages {
    pthread_mutex_t lock;
    struct trouble {
        char text[OUTAGE_SIZE]; /* "" none */
        char told[OUTAGE_REPORTED_MAX][OUTAGE_SIZE];
        size_t told_count;
    } sources[OUTAGE_SOURCE_COUNT];
};
void tb_central_outages_init(struct central_outages *trouble);
void tb_central_outages_release(struct central_outages *trouble);
/* What fails now; a code of TB_OK: nothing any more. */
void tb_central_outages_set(struct central_outages *trouble, enum outage_source source,
                            const struct tb_error *err);
/* The gravest; "" if there is none. */
void tb_central_outages_get(struct central_outages *trouble, char ret_text[OUTAGE_SIZE]);
