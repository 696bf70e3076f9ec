#include "central/outage.h"
#include "base/diag/diag.h"
#include <stdio.h>
#include <string.h>

static const struct {
    const char *failing, *running;
    const char *is_failing, *is_running;
} words[OUTAGE_SOURCE_COUNT] = {
    [OUTAGE_EVENTS] = {"consumer.failing", "consumer.running", "the view is not being filled",
                       "the view is being filled"},
    [OUTAGE_NODES] = {"nodes.failing", "nodes.running", "heartbeats are not noted",
                      "heartbeats are noted"},
};

void tb_central_outages_init(struct central_outages *trouble)
{
    memset(trouble, 0, sizeof *trouble);
    TB_ASSERT(pthread_mutex_init(&trouble->lock, NULL) == 0);
}

void tb_central_outages_release(struct central_outages *trouble)
{
    (void)pthread_mutex_destroy(&trouble->lock);
}

static bool is_new(struct trouble *one)
{
    for (size_t i = 0; i < one->told_count; i++) {
        if (strcmp(one->told[i], one->text) == 0)
            return false;
    }
    if (one->told_count == OUTAGE_REPORTED_MAX)
        return false;
    memcpy(one->told[one->told_count++], one->text, OUTAGE_SIZE);
    return true;
}

void tb_central_outages_set(struct central_outages *trouble, enum outage_source source,
                            const struct tb_error *err)
{
    struct trouble *one = &trouble->sources[source];
    bool failing = err->code != TB_OK, tell;
    char text[OUTAGE_SIZE] = "";

    if (failing)
        snprintf(text, sizeof text, "%s", err->text);
    (void)pthread_mutex_lock(&trouble->lock);
    tell = !failing && one->told_count > 0;
    memcpy(one->text, text, sizeof text);
    if (failing)
        tell = is_new(one);
    else
        one->told_count = 0;
    (void)pthread_mutex_unlock(&trouble->lock);

    if (tell && failing)
        tb_diag(TB_DIAG_WARN, words[source].failing, "%s: %s", words[source].is_failing, text);
    else if (tell)
        tb_diag(TB_DIAG_INFO, words[source].running, "%s again", words[source].is_running);
}

void tb_central_outages_get(struct central_outages *trouble, char ret_text[OUTAGE_SIZE])
{
    (void)pthread_mutex_lock(&trouble->lock);
    ret_text[0] = '\0';
    for (size_t i = 0; i < OUTAGE_SOURCE_COUNT && ret_text[0] == '\0'; i++)
        memcpy(ret_text, trouble->sources[i].text, OUTAGE_SIZE);
    (void)pthread_mutex_unlock(&trouble->lock);
}
