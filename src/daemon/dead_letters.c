#include "daemon/dead_letters.h"
#include "base/diag/diag.h"

void tb_diag_dead_letters(const struct tb_plan *plan)
{
    if (plan->dead_letter_count > 0)
        tb_diag(TB_DIAG_WARN, "consumer.dead_letter", "%zu events became dead letters; first: %s",
                plan->dead_letter_count, plan->dead_letters[0].reason);
}

void tb_diag_dead_letter_audit(void *ctx, const char *what, bool sure, const char *letter_id,
                               const char *order_id, const char *who)
{
    (void)ctx;
    tb_diag(TB_DIAG_INFO, "dead_letter.audit",
            "dead letter %s of order %s was %s%s, asked for by %s", letter_id,
            order_id[0] ? order_id : "unknown", sure ? "" : "perhaps ", what, who);
}

static void report_redrive(const char *topic, const struct tb_dead_letter *dead_letter)
{
    bool last = dead_letter->redrives + 1 >= TB_REDRIVES_MAX;
    char id[TB_DEAD_LETTER_ID_SIZE];

    tb_dead_letter_id_format(topic, dead_letter->position, id);
    tb_diag(last ? TB_DIAG_WARN : TB_DIAG_INFO, "dead_letter.follows",
            "dead letter %s of order %s follows: nothing is missing in front of version %lld%s",
            id, dead_letter->order_id, (long long)dead_letter->version,
            last ? "; it did so in vain before, and this is the last time" : "");
}

bool tb_daemon_redrive(struct tb_append_queue *queue, const char *topic,
                       const struct tb_dead_letter *dead_letter, const struct tb_record *record)
{
    struct tb_error err = {0};

    if (tb_append_queue_post(queue, record, &err) != TB_OK)
        return false;
    report_redrive(topic, dead_letter);
    return true;
}

void tb_diag_unknown_type(void *ctx, const char *type, uint64_t count)
{
    (void)ctx;
    tb_diag(TB_DIAG_WARN, "consumer.unknown_type",
            "%llu events of type %s, which this build does not know: their orders' versions move, "
            "and the view is to be rebuilt by a build that knows it",
            (unsigned long long)count, type[0] ? type : "(others)");
}
