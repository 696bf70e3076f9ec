#include "edge/damage.h"
#include "base/diag/diag.h"
#include "base/sqlite/db.h"
#include "base/sqlite/file_loss.h"
#include "edge/derived.h"
#include <stdio.h>

void tb_damage_init(struct tb_damage *damage, const char *folder, const char *store_path)
{
    *damage = (struct tb_damage){.folder = folder, .store_path = store_path};
    TB_ASSERT(pthread_mutex_init(&damage->lock, NULL) == 0);
}

void tb_damage_release(struct tb_damage *damage)
{
    if (damage->folder)
        pthread_mutex_destroy(&damage->lock);
}

/* True: this is the first time. */
static bool remember(struct tb_damage *damage, char found[240], const char *text)
{
    bool first;

    pthread_mutex_lock(&damage->lock);
    first = found[0] == '\0';
    if (first)
        snprintf(found, 240, "%s", text);
    damage->store_is_suspected |= found == damage->store;
    pthread_mutex_unlock(&damage->lock);
    return first;
}

void tb_damage_note(struct tb_damage *damage, const struct tb_error *err)
{
    bool of_store = strstr(err->text, damage->store_path) != NULL;
    char text[TB_DAMAGE_TEXT_SIZE];
    struct tb_error loss = {0};

    if (err->code != TB_CORRUPT || err->native == 0) /* SQLite did not find it */
        return;
    tb_file_losses_look();
    if (of_store && tb_file_loss_check(damage->store_path, &loss) != TB_OK)
        return; /* the hole was read; the next step reports it */
    if (!of_store)
        tb_derived_mark_damage(damage->folder, err);
    if (!remember(damage, of_store ? damage->store : damage->derived, err->text))
        return;
    if (of_store)
        tb_damage_of_store(damage, text);
    else
        tb_damage_of_derived(damage, text);
    tb_diag(TB_DIAG_ERROR, "edge.damaged", "%s", text);
}

/* SQLite's error does not say which page is damaged, its check does. */
static void check_store(struct tb_damage *damage)
{
    struct tb_error err = {0};
    struct tb_db *db = NULL;
    char text[TB_DAMAGE_TEXT_SIZE];
    enum tb_code code = tb_db_open(damage->store_path, TB_DB_READER, 0, &db, &err);

    if (code == TB_OK)
        code = tb_db_check(db, &err);
    tb_db_close(db);
    if (code != TB_CORRUPT) /* it was replaced, or shows its damage to some queries only */
        return;
    pthread_mutex_lock(&damage->lock);
    snprintf(damage->store, sizeof damage->store, "%s", err.text);
    pthread_mutex_unlock(&damage->lock);
    tb_damage_of_store(damage, text);
    tb_diag(TB_DIAG_ERROR, "edge.damaged", "%s", text);
}

void tb_damage_step(struct tb_damage *damage, bool store_is_suspected)
{
    bool check;

    pthread_mutex_lock(&damage->lock);
    check = (damage->store_is_suspected || store_is_suspected) && !damage->store_was_checked &&
            !damage->lost_store[0];
    damage->store_was_checked |= check;
    pthread_mutex_unlock(&damage->lock);
    if (check)
        check_store(damage);
}

/* A file that was put back is not lost any more. True: this one was not lost before. */
static bool report_loss(struct tb_damage *damage, const struct tb_file_loss *loss)
{
    if (loss->number <= damage->last_loss)
        return false;
    damage->last_loss = loss->number;
    tb_diag(TB_DIAG_ERROR, "edge.file_lost", "%s", loss->text);
    return true;
}

bool tb_damage_look_for_losses(struct tb_damage *damage)
{
    struct tb_file_loss losses[TB_WAL_BACKLOGS_MAX];
    char of_store[TB_DAMAGE_TEXT_SIZE] = "", of_derived[TB_DAMAGE_TEXT_SIZE] = "";
    bool store_is_new = false;
    size_t count;

    tb_file_losses_look();
    count = tb_file_losses(losses);
    for (size_t i = 0; i < count; i++) {
        bool is_store = strcmp(losses[i].path, damage->store_path) == 0;
        char *text = is_store ? of_store : of_derived;
        size_t len = strlen(text);

        snprintf(text + len, TB_DAMAGE_TEXT_SIZE - len, "%s%s", len > 0 ? "; " : "",
                 losses[i].text);
        if (report_loss(damage, &losses[i]) && is_store)
            store_is_new = true;
    }
    if (of_derived[0] && !damage->lost_derived[0])
        tb_derived_mark(damage->folder);
    pthread_mutex_lock(&damage->lock);
    memcpy(damage->lost_store, of_store, sizeof of_store);
    memcpy(damage->lost_derived, of_derived, sizeof of_derived);
    pthread_mutex_unlock(&damage->lock);
    return store_is_new;
}

void tb_damage_of_store(struct tb_damage *damage, char ret_text[TB_DAMAGE_TEXT_SIZE])
{
    pthread_mutex_lock(&damage->lock);
    if (damage->lost_store[0])
        snprintf(ret_text, TB_DAMAGE_TEXT_SIZE, "%s", damage->lost_store);
    else if (damage->store[0])
        snprintf(ret_text, TB_DAMAGE_TEXT_SIZE,
                 "%s is damaged (%s): stop the node, move the file and its -wal away, and put "
                 "back a copy, or what `sqlite3 FILE .recover` saves of it",
                 damage->store_path, damage->store);
    pthread_mutex_unlock(&damage->lock);
}

void tb_damage_of_derived(struct tb_damage *damage, char ret_text[TB_DAMAGE_TEXT_SIZE])
{
    pthread_mutex_lock(&damage->lock);
    if (damage->lost_derived[0])
        snprintf(ret_text, TB_DAMAGE_TEXT_SIZE, "%s", damage->lost_derived);
    else if (damage->derived[0])
        snprintf(ret_text, TB_DAMAGE_TEXT_SIZE,
                 "log or view is damaged (%s): restart the node, which then sets it aside and "
                 "makes it anew from the store",
                 damage->derived);
    pthread_mutex_unlock(&damage->lock);
}
