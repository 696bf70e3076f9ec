#include "base/diag/diag.h"
#include "edge/derived_priv.h"
#include "edge/restored_note.h"
#include "edge/set_aside.h"
#include <inttypes.h>
#include <stdio.h>

#define LOG_NAME "log.db"

static enum tb_code report(struct tb_derived_state *derived, const char *file, const char *reason,
                           const char *aside, struct tb_error *err)
{
    tb_diag(TB_DIAG_WARN, "edge.recovery", "%s: %s%s%s", file, reason,
            aside[0] ? "; set aside as " : "", aside);
    return tb_store_note_recovery(derived->options->store, file, reason, aside, err);
}

static const char *view_name(const struct tb_derived_state *derived)
{
    return strrchr(derived->view_path, '/') + 1;
}

/* The file has nothing of what it had: it was lost, emptied, or an earlier start that made it anew
 * came no further. One that was set aside is reported with its new name. */
static enum tb_code report_lost(struct tb_derived_state *derived, const char *file,
                                const struct tb_derived_finding *finding, struct tb_error *err)
{
    if (finding->bad || !derived->had_orders)
        return TB_OK;
    return report(derived, file, finding->existed ? "it is empty" : "it is missing", "", err);
}

/* A person is told by `tillbox config`, too. A start that cannot write the note is tried again,
 * from before anything was changed; the last try only reports that: /status and the diagnostics
 * tell what the note would. */
static enum tb_code note_for_config(struct tb_derived_state *derived, const char *reason,
                                    struct tb_error *err)
{
    const struct tb_derived_options *options = derived->options;
    enum tb_code code =
        tb_restored_note_add(options->folder, tb_clock_wall_ms(options->clock), reason, err);

    if (code == TB_OK || !options->gives_up_reading)
        return code;
    tb_diag(TB_DIAG_WARN, "edge.recovery", "%s", err->text);
    *err = (struct tb_error){0};
    return TB_OK;
}

/* Says which numbers were given by a state of the store that is lost, or perhaps were. known: the
 * highest one that log and view know. */
static enum tb_code report_numbers(struct tb_derived_state *derived, int64_t known,
                                   struct tb_error *err)
{
    int64_t last = tb_store_last_number(derived->options->store);
    const char *node = derived->options->node;
    char reason[3 * TB_DERIVED_REASON_SIZE], lost[TB_DERIVED_REASON_SIZE] = "",
                                             why[TB_DERIVED_REASON_SIZE + 40];

    if (known > last)
        snprintf(lost, sizeof lost, "orders %s-%06" PRId64 " to %s-%06" PRId64 " are lost here; ",
                 node, last + 1, node, known);
    if (derived->restored)
        snprintf(why, sizeof why, "it was put back in time (%s)", derived->lost);
    else if (tb_store_is_copy(derived->options->store))
        snprintf(why, sizeof why, "it is a copy, or was put back from one");
    else if (tb_derived_store_is_missing(derived))
        snprintf(why, sizeof why, "it was missing and begins anew");
    else if (derived->is_told_known)
        snprintf(why, sizeof why, "it is new");
    else
        snprintf(why, sizeof why, "log and view do not show whether it was put back in time");
    snprintf(reason, sizeof reason,
             "%s: %snew orders go on at %s-%06" PRId64
             ", and that or a higher number may have been given before",
             why, lost, node, (known > last ? known : last) + 1);
    TB_TRY(note_for_config(derived, reason, err));
    return report(derived, "store.db", reason, "", err);
}

/* Whatever the served view has that it must not have, the other generations have, too. */
static enum tb_code forget_other_generations(struct tb_derived_state *derived,
                                             struct tb_error *err)
{
    const int64_t others[] = {derived->generations.previous, derived->generations.building};
    char path[TB_VIEW_PATH_SIZE];

    if (others[0] == 0 && others[1] == 0)
        return TB_OK;
    derived->generations.previous = derived->generations.building = 0;
    derived->generations.going_back = 0;
    TB_TRY(tb_generations_write(derived->options->folder, &derived->generations, err));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        tb_generations_path(derived->options->folder, others[i], path);
        if (others[i] != 0)
            TB_TRY(tb_db_remove(path, err));
    }
    return TB_OK;
}

/* What Kafka has of a lost state of the store, or of the other copy, gives way to the store's. */
static enum tb_code request_for_kafka(struct tb_store *store, struct tb_error *err)
{
    bool connected = false;

    TB_TRY(tb_store_has_cursor(store, TB_CURSOR_KAFKA, &connected, err));
    return connected ? tb_store_request_snapshots(store, TB_CURSOR_KAFKA, err) : TB_OK;
}

static enum tb_code begin_after_restore(struct tb_derived_state *derived, struct tb_error *err)
{
    struct tb_store *store = derived->options->store;
    int64_t known = 0;

    TB_TRY(tb_derived_known_number(derived, &known, err));
    TB_TRY(report_numbers(derived, known, err));
    TB_TRY(tb_store_raise_number(store, known, err));
    TB_TRY(tb_store_renew_epoch(store, err));
    TB_TRY(request_for_kafka(store, err));
    tb_derived_condemn(&derived->log_state, "it has events that the store does not have");
    if (derived->view_state.existed)
        tb_derived_condemn(&derived->view_state,
                           "it may have orders that the store does not have");
    return forget_other_generations(derived, err);
}

/* The files of another store of this node, for example of one that was deleted, have numbers that
 * were given, too. */
static enum tb_code raise_numbers(struct tb_derived_state *derived, struct tb_error *err)
{
    struct tb_store *store = derived->options->store;
    int64_t known = derived->noted_number;

    if (derived->log_state.bad || derived->view_state.bad)
        TB_TRY(tb_derived_known_number(derived, &known, err));
    if (known > tb_store_last_number(store) || tb_store_is_copy(store) ||
        !derived->is_told_known || tb_derived_store_is_missing(derived))
        TB_TRY(report_numbers(derived, known, err));
    if (tb_store_is_copy(store))
        TB_TRY(request_for_kafka(store, err));
    return known > tb_store_last_number(store) ? tb_store_raise_number(store, known, err) : TB_OK;
}

static enum tb_code set_aside(struct tb_derived_state *derived, const char *path, const char *file,
                              struct tb_derived_finding *finding, struct tb_error *err)
{
    char aside[TB_VIEW_PATH_SIZE] = "";

    if (finding->existed)
        TB_TRY(tb_set_aside(path, tb_clock_wall_ms(derived->options->clock), aside, err));
    return report(derived, file, finding->reason, aside, err);
}

static enum tb_code renew_view(struct tb_derived_state *derived, struct tb_error *err)
{
    if (!derived->view_state.bad)
        return TB_OK;
    tb_view_free(derived->view);
    derived->view = NULL;
    TB_TRY(forget_other_generations(derived, err));
    TB_TRY(set_aside(derived, derived->view_path, view_name(derived), &derived->view_state, err));
    TB_TRY(tb_view_sqlite_open(derived->view_path, &derived->view, err));
    derived->view_state.existed = false;
    derived->view_origin = (struct tb_view_origin){0};
    return TB_OK;
}

static enum tb_code offsets_end(struct tb_derived_state *derived, int64_t *ret_end,
                                struct tb_error *err)
{
    *ret_end = 0;
    if (derived->view && tb_view_sqlite_offsets_end(derived->view, ret_end, err) != TB_OK) {
        if (!derived->view_state.bad)
            return err->code;
        *err = (struct tb_error){0}; /* it is damaged, and made anew */
        *ret_end = 0;
    }
    if (derived->log) {
        int64_t end = tb_log_inproc_range(derived->log, NULL).end;

        *ret_end = end > *ret_end ? end : *ret_end;
    }
    return TB_OK;
}

static void choose_log_id(struct tb_derived_state *derived)
{
    uint64_t id[2];

    tb_random_fill(derived->options->random, id, sizeof id);
    snprintf(derived->new_log_id, sizeof derived->new_log_id, "%016" PRIx64 "%016" PRIx64, id[0],
             id[1]);
}

/* No offset of the old log comes again, so that ids of dead letters stay valid. base: behind all
 * of them. */
static enum tb_code name_log(struct tb_derived_state *derived, int64_t base, struct tb_error *err)
{
    struct tb_log_origin origin = {.base = 0};
    char known[TB_STORE_LOG_ID_SIZE];

    if (tb_log_inproc_origin(derived->log)->log_id[0])
        return TB_OK;
    TB_TRY(tb_store_log_id(derived->options->store, known, err));
    if (known[0])
        TB_TRY(report_lost(derived, LOG_NAME, &derived->log_state, err));
    if (!derived->new_log_id[0])
        choose_log_id(derived);
    memcpy(origin.log_id, derived->new_log_id, sizeof origin.log_id);
    memcpy(origin.store_id, derived->store_id, sizeof origin.store_id);
    origin.base = tb_derived_is_log_empty(derived) ? base : 0;
    return tb_log_inproc_set_origin(derived->log, &origin, err);
}

/* From now on no other log passes for this one. */
static enum tb_code remember_log(struct tb_derived_state *derived, struct tb_error *err)
{
    const char *log_id = tb_log_inproc_origin(derived->log)->log_id;
    char known[TB_STORE_LOG_ID_SIZE];

    TB_TRY(tb_store_log_id(derived->options->store, known, err));
    return strcmp(known, log_id) == 0 ? TB_OK
                                      : tb_store_set_log_id(derived->options->store, log_id, err);
}

/* The store knows the new log's id first. If the start ends then, the next one finds that the old
 * log is not the store's. */
static enum tb_code renew_log(struct tb_derived_state *derived, struct tb_error *err)
{
    const struct tb_derived_options *options = derived->options;

    if (!derived->log_state.bad)
        return TB_OK;
    choose_log_id(derived);
    TB_TRY(tb_store_restart_cursor(options->store, TB_CURSOR_INPROC, derived->new_log_id, err));
    tb_log_inproc_free(derived->log);
    derived->log = NULL;
    TB_TRY(set_aside(derived, derived->log_path, LOG_NAME, &derived->log_state, err));
    return tb_log_inproc_open(derived->log_path, options->clock, &derived->log, err);
}

/* A view that cannot go on at its offset reads the log from its beginning. If retention has
 * removed that, it begins at the end, and snapshots bring everything before. A view has an offset
 * from its first start on. */
static enum tb_code connect_view(struct tb_derived_state *derived, struct tb_error *err)
{
    const struct tb_log_origin *log = tb_log_inproc_origin(derived->log);
    struct tb_log_range range = tb_log_inproc_range(derived->log, NULL);
    bool can, complete = range.begin == log->base;
    int64_t next = -1;

    TB_TRY(derived->view->ops->offset(derived->view, 0, &next, err));
    can = tb_derived_is_of_log(derived) && next >= range.begin && next <= range.end;
    snprintf(derived->view_origin.log_id, sizeof derived->view_origin.log_id, "%s", log->log_id);
    memcpy(derived->view_origin.store_id, derived->store_id, sizeof derived->store_id);
    if (can)
        return TB_OK;
    if (next < 0)
        TB_TRY(report_lost(derived, view_name(derived), &derived->view_state, err));
    if (!complete) {
        TB_TRY(tb_store_request_snapshots(derived->options->store, TB_CURSOR_INPROC, err));
        TB_TRY(report(derived, view_name(derived),
                      "it does not go on where the log begins: it is filled from the store", "",
                      err));
    }
    return tb_view_sqlite_set_origin(derived->view, &derived->view_origin,
                                     complete ? range.begin : range.end, err);
}

static enum tb_code read_generations(struct tb_derived_state *derived, struct tb_error *err)
{
    const struct tb_derived_options *options = derived->options;
    char path[TB_VIEW_PATH_SIZE], aside[TB_VIEW_PATH_SIZE];
    struct tb_derived_finding finding = {0};
    enum tb_code code = tb_generations_read(options->folder, &derived->generations, err);

    if (code != TB_OK && tb_derived_condemn_for(derived, &finding, err)) {
        snprintf(path, sizeof path, "%s/views.db", options->folder);
        TB_TRY(tb_set_aside(path, tb_clock_wall_ms(options->clock), aside, err));
        TB_TRY(report(derived, "views.db", finding.reason, aside, err));
        code = tb_generations_read(options->folder, &derived->generations, err);
    }
    TB_TRY(code);
    tb_generations_path(options->folder, derived->generations.served, derived->view_path);
    return TB_OK;
}

static enum tb_code open_all(struct tb_derived_state *derived, struct tb_error *err)
{
    int64_t base = 0;

    TB_TRY(read_generations(derived, err));
    TB_TRY(tb_derived_judge(derived, err));
    derived->had_orders = tb_store_last_number(derived->options->store) > 0;
    if (derived->restored)
        TB_TRY(begin_after_restore(derived, err));
    else
        TB_TRY(raise_numbers(derived, err));
    TB_TRY(offsets_end(derived, &base, err));
    TB_TRY(renew_view(derived, err)); /* before the log, which shows a restore until then */
    TB_TRY(renew_log(derived, err));
    TB_TRY(name_log(derived, base, err));
    TB_TRY(remember_log(derived, err));
    TB_TRY(connect_view(derived, err));
    tb_derived_remove_marker(derived);
    if (derived->restored)
        tb_heartbeat_note_remove(derived->options->folder);
    return TB_OK;
}

static void close_all(struct tb_derived_state *derived)
{
    tb_view_free(derived->view);
    tb_log_inproc_free(derived->log);
    derived->view = NULL;
    derived->log = NULL;
}

/* A page that opening did not read may be damaged: then every page is read. */
static enum tb_code open_twice(struct tb_derived_state *derived,
                               const struct tb_derived_options *options, struct tb_error *err)
{
    for (bool again = false;; again = true) {
        *derived = (struct tb_derived_state){.options = options};
        snprintf(derived->log_path, sizeof derived->log_path, "%s/" LOG_NAME, options->folder);
        tb_store_id(options->store, derived->store_id);
        if (open_all(derived, err) == TB_OK)
            return TB_OK;
        close_all(derived);
        if (again || err->code != TB_CORRUPT || err->native == 0)
            return tb_error_wrap(err, "log and view in %s", options->folder);
        tb_derived_mark_damage(options->folder, err);
        *err = (struct tb_error){0};
    }
}

enum tb_code tb_derived_open(const struct tb_derived_options *options,
                             struct tb_derived *ret_derived, struct tb_error *err)
{
    struct tb_derived_state derived;

    TB_TRY(open_twice(&derived, options, err));
    *ret_derived = (struct tb_derived){
        .log = derived.log, .view = derived.view, .origin = derived.view_origin};
    memcpy(ret_derived->view_path, derived.view_path, sizeof ret_derived->view_path);
    return TB_OK;
}
