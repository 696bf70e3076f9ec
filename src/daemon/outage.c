#include "daemon/outage.h"
#include "base/diag/diag.h"
#include <stdio.h>
#include <string.h>

void tb_outage_init(struct tb_outage *outage)
{
    *outage = (struct tb_outage){0};
    TB_ASSERT(pthread_mutex_init(&outage->lock, NULL) == 0);
}

void tb_outage_release(struct tb_outage *outage)
{
    pthread_mutex_destroy(&outage->lock);
}

void tb_outage_set_problem(struct tb_outage *outage, const char *text)
{
    pthread_mutex_lock(&outage->lock);
    snprintf(outage->problem, sizeof outage->problem, "%s", text);
    pthread_mutex_unlock(&outage->lock);
}

void tb_outage_problem(struct tb_outage *outage, char ret_text[TB_OUTAGE_TEXT_SIZE])
{
    pthread_mutex_lock(&outage->lock);
    memcpy(ret_text, outage->problem, sizeof outage->problem);
    pthread_mutex_unlock(&outage->lock);
}

bool tb_outage_is_new(struct tb_outage *outage, const char *text)
{
    if (strcmp(outage->problem, text) == 0)
        return false;
    for (size_t i = 0; i < outage->reported_count; i++) {
        if (strcmp(outage->reported[i], text) == 0)
            return false;
    }
    if (outage->reported_count == TB_OUTAGE_REPORTS_MAX)
        return false;
    snprintf(outage->reported[outage->reported_count++], TB_OUTAGE_TEXT_SIZE, "%s", text);
    return true;
}

bool tb_outage_end(struct tb_outage *outage)
{
    bool reported = outage->reported_count > 0;

    outage->reported_count = 0;
    return reported;
}

void tb_outage_update(struct tb_outage *outage, const struct tb_outage_words *words,
                      const struct tb_error *err)
{
    bool failing = err->code != TB_OK;
    bool report = failing ? tb_outage_is_new(outage, err->text) : tb_outage_end(outage);

    tb_outage_set_problem(outage, failing ? err->text : "");
    if (report && failing)
        tb_diag(TB_DIAG_WARN, words->failing_event, "%s: %s", words->failing, err->text);
    else if (report)
        tb_diag(TB_DIAG_INFO, words->working_event, "%s again", words->working);
}
