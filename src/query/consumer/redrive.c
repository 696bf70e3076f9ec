#include "query/consumer/consumer_priv.h"
#include "query/dead_letters/replay.h"
#include <stdlib.h>

/* What waits for a version follows within 30 s of it: with time for a look to begin, for the log
 * and for the consumer itself. */
#define LOOK_EVERY_MS 5000
/* With more letters than one look goes through the next one comes sooner. */
#define LOOK_ON_MS 1000
/* A record that did not come back through the log by then was lost on its way, or waits behind
 * many others: it is sent again, which harms nobody. */
#define PATIENCE_MS 30000
static bool follows(const struct tb_consumer *consumer)
{
    return consumer->options.resend && consumer->options.view->ops->redrivable;
}

int64_t tb_consumer_redrive_due_ms(const struct tb_consumer *consumer)
{
    return follows(consumer) ? consumer->follow.due_ms : INT64_MAX;
}

/* A letter that has what it waited for. */
static bool send_letter(void *ctx, const struct tb_dead_letter *letter)
{
    struct tb_consumer *consumer = ctx;
    const struct tb_consumer_options *options = &consumer->options;
    struct tb_log_reader *reader = options->reader;
    struct tb_redrive *follow = &consumer->follow;
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
    struct tb_error err = {0};
    struct tb_record record;
    enum tb_code code;

    if (reader->ops->is_assigned && !reader->ops->is_assigned(reader, letter->position.partition))
        return true; /* whoever reads the partition sees to it */
    code = tb_replay_record(letter, options->topic, (struct tb_str){0}, /* followed= */ true,
                            &arena, &record, &err);
    if (code == TB_CONFLICT || code == TB_INVALID)
        return true; /* only a person can send it */
    if (code != TB_OK || !options->resend(options->ctx, letter, &record))
        return false;
    follow->sent[follow->sent_count++] = letter->position;
    return true;
}

enum tb_code tb_consumer_redrive(struct tb_consumer *consumer, struct tb_error *err)
{
    struct tb_view *view = consumer->options.view;
    struct tb_redrive *follow = &consumer->follow;
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);

    if (!follows(consumer) || now_ms < follow->due_ms)
        return TB_OK;
    follow->sent_count = 0;
    follow->due_ms = now_ms + LOOK_EVERY_MS;
    TB_TRY(view->ops->redrivable(view, &follow->scan, TB_REDRIVE_MAX, send_letter, consumer, err));
    if (follow->sent_count > 0)
        follow->due_ms = now_ms + PATIENCE_MS; /* or when all have come back */
    else if (follow->scan.begun)
        follow->due_ms = now_ms + LOOK_ON_MS;
    return TB_OK;
}

/* The record of a letter came back through the log. */
static void see(struct tb_redrive *follow, struct tb_dead_letter_position place, int64_t now_ms)
{
    for (size_t i = 0; i < follow->sent_count; i++) {
        if (follow->sent[i].partition != place.partition || follow->sent[i].offset != place.offset)
            continue;
        follow->sent[i] = follow->sent[--follow->sent_count];
        if (follow->sent_count == 0)
            follow->due_ms = now_ms;
        return;
    }
}

void tb_consumer_note_dead_letters(struct tb_consumer *consumer, const struct tb_plan *plan)
{
    struct tb_redrive *follow = &consumer->follow;
    int64_t now_ms = tb_clock_mono_ms(consumer->options.clock);

    for (size_t i = 0; i < plan->dead_letter_count; i++)
        see(follow,
            (struct tb_dead_letter_position){plan->partition, plan->dead_letters[i].first_offset},
            now_ms);
    for (size_t i = 0; i < plan->replayed_count; i++)
        see(follow,
            (struct tb_dead_letter_position){plan->partition, plan->replayed[i].first_offset},
            now_ms);
    /* What waited for a mended one need not wait for the next look. */
    if (plan->replayed_count > 0 && follow->sent_count == 0)
        follow->due_ms = now_ms;
    for (size_t i = 0; i < plan->unknown_type_count; i++) {
        struct tb_unknown_type told;

        if (tb_unknown_types_count(&consumer->unknown, plan->unknown_types[i].type,
                                   plan->unknown_types[i].count, now_ms, &told) &&
            consumer->options.unknown)
            consumer->options.unknown(consumer->options.ctx, told.type, told.count);
    }
}
