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
enum trouble_source { TROUBLE_EVENTS, TROUBLE_NODES, TROUBLE_SOURCE_COUNT };

#define TROUBLE_SIZE 240
/* Different ones told of one outage; a library that words one in many ways is cut off. */
#define TROUBLE_TOLD_MAX 4

struct central_trouble {
    pthread_mutex_t lock;
    struct trouble {
        char text[TROUBLE_SIZE]; /* "" none */
        char told[TROUBLE_TOLD_MAX][TROUBLE_SIZE];
        size_t told_count;
    } sources[TROUBLE_SOURCE_COUNT];
};
void tb_central_trouble_init(struct central_trouble *trouble);
void tb_central_trouble_release(struct central_trouble *trouble);
/* What fails now; a code of TB_OK: nothing any more. */
void tb_central_trouble_set(struct central_trouble *trouble, enum trouble_source source,
                            const struct tb_error *err);
/* The gravest; "" if there is none. */
void tb_central_trouble_get(struct central_trouble *trouble, char ret_text[TROUBLE_SIZE]);
