#include "store/recovery.h"
#include "store/store_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Identifies the file, so that a copy or a restored backup is recognised: its inode number, and
 * its time of birth, because file systems reuse the inode number of a deleted file at once. The
 * number of the device is left out: it may change from boot to boot. Both stay if a backup is
 * written over the file; then the identity of the folder tells (folder_identity.h). */
static enum tb_code file_identity(const char *path, char ret_id[TB_FILE_ID_SIZE],
                                  struct tb_error *err)
{
    struct statx st;

    if (statx(AT_FDCWD, path, 0, STATX_INO | STATX_BTIME, &st) != 0)
        return tb_error_errno(err, TB_UNAVAILABLE, errno, "cannot look at %s", path);
    bool born = (st.stx_mask & STATX_BTIME) != 0;
    snprintf(ret_id, TB_FILE_ID_SIZE, "%" PRIu64 "-%" PRId64 ".%09" PRIu32, (uint64_t)st.stx_ino,
             born ? (int64_t)st.stx_btime.tv_sec : 0, born ? st.stx_btime.tv_nsec : 0);
    return TB_OK;
}

static void new_epoch_name(struct tb_store *store, char ret_epoch[TB_EPOCH_SIZE])
{
    uint64_t value = 0;

    tb_random_fill(store->options.random, &value, sizeof value);
    snprintf(ret_epoch, TB_EPOCH_SIZE, "%016" PRIx64, value);
}

/* A new epoch begins with the next row. `change`, a prepared statement with its values bound, or
 * NULL, is run in the same transaction. */
static enum tb_code begin_epoch(struct tb_store *store, struct tb_stmt *change,
                                struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_stmt *replaced = &store->stmts[TB_STMT_DELETE_EPOCH];
    struct tb_stmt *epoch = &store->stmts[TB_STMT_INSERT_EPOCH];
    char name[TB_EPOCH_SIZE];

    new_epoch_name(store, name);
    TB_TRY(tb_txn_begin(&txn, store->db, err));
    if (change)
        TB_TRY(tb_stmt_run(change, err));
    /* An epoch that has no rows yet is unknown outside, so it can be replaced. */
    tb_stmt_bind_int64(replaced, ":first_row", store->last_row + 1);
    TB_TRY(tb_stmt_run(replaced, err));
    tb_stmt_bind_text(epoch, ":epoch", tb_str_of(name));
    tb_stmt_bind_int64(epoch, ":first_row", store->last_row + 1);
    TB_TRY(tb_stmt_run(epoch, err));
    return tb_txn_commit(&txn, err);
}

static enum tb_code create_meta(struct tb_store *store, struct tb_error *err)
{
    struct tb_stmt *meta = &store->stmts[TB_STMT_INSERT_META];

    tb_stmt_bind_text(meta, ":node", tb_str_of(store->node));
    tb_stmt_bind_int64(meta, ":created_at", tb_clock_wall_ms(store->options.clock));
    tb_stmt_bind_text(meta, ":file_id", tb_str_of(store->file_id));
    return begin_epoch(store, meta, err);
}

enum tb_code tb_store_bind(struct tb_store *store, const char *folder_id, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    struct tb_stmt *bind = &store->stmts[TB_STMT_SET_FILE_ID];
    char ids[sizeof store->noted_ids];

    if (!store->db)
        return tb_error_set(err, TB_UNAVAILABLE, "the store is closed");
    snprintf(ids, sizeof ids, "%s/%s", store->file_id, folder_id);
    TB_TRY(tb_txn_begin(&txn, store->db, err));
    tb_stmt_bind_text(bind, ":file_id", tb_str_of(ids));
    TB_TRY(tb_stmt_run(bind, err));
    TB_TRY(tb_txn_commit(&txn, err));
    memcpy(store->noted_ids, ids, sizeof store->noted_ids);
    store->is_copy = store->is_new = false;
    return TB_OK;
}

const char *tb_store_folder_id(const struct tb_store *store)
{
    const char *slash = strchr(store->noted_ids, '/');

    return slash ? slash + 1 : "";
}

/* A folder whose identity is not known proves nothing, nor does what earlier builds have noted of
 * it, which has no colon. */
static bool is_copy(const struct tb_store *store)
{
    const struct tb_folder_identity *folder = store->options.folder;
    const char *noted = tb_store_folder_id(store);
    size_t file_len = strcspn(store->noted_ids, "/");

    if (file_len != strlen(store->file_id) ||
        memcmp(store->noted_ids, store->file_id, file_len) != 0)
        return true;
    return strchr(noted, ':') && folder && folder->is_known &&
           strcmp(noted, folder->present) != 0 && strcmp(noted, folder->next) != 0;
}

static enum tb_code read_meta(struct tb_store *store, bool *ret_found, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &store->stmts[TB_STMT_READ_META];

    TB_TRY(tb_stmt_step(stmt, ret_found, err));
    if (!*ret_found)
        return TB_OK;
    store->created_at_ms = tb_stmt_int64(stmt, 3);
    struct tb_str node = tb_stmt_text(stmt, 0);
    if (!tb_str_eq(node, tb_str_of(store->node)))
        return tb_error_set(err, TB_CONFLICT, "%s belongs to node %.*s, not to %s", store->path,
                            (int)node.len, node.ptr, store->node);
    store->forced_offline = tb_stmt_int64(stmt, 1) != 0;
    tb_stmt_copy_text(stmt, 2, store->noted_ids, sizeof store->noted_ids);
    return TB_OK;
}

static enum tb_code load_epoch(struct tb_store *store, struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &store->stmts[TB_STMT_LAST_EPOCH];
    bool row = false;

    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_CORRUPT, "%s has no epoch", store->path);
    tb_stmt_copy_text(stmt, 0, store->epoch, sizeof store->epoch);
    store->epoch_first_row = tb_stmt_int64(stmt, 1);
    return TB_OK;
}

enum tb_code tb_store_load_counters(struct tb_store *store, struct tb_error *err)
{
    int64_t number = 0, row = 0;

    TB_TRY(tb_db_query_int64(store->db,
                             "SELECT max(coalesce((SELECT max(number) FROM orders), 0),"
                             " coalesce((SELECT number_floor FROM meta), 0))",
                             &number, err));
    TB_TRY(tb_db_query_int64(
        store->db, "SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)",
        &row, err));
    store->last_number = number;
    store->last_row = row;
    return TB_OK;
}

/* Rows are written more often than the uptime alone is, so theirs may be later. */
static enum tb_code load_uptime(struct tb_store *store, struct tb_error *err)
{
    int64_t total_ms = 0;

    TB_TRY(
        tb_db_query_int64(store->db,
                          "SELECT max(coalesce((SELECT uptime_ms FROM meta), 0),"
                          " coalesce((SELECT uptime_ms FROM outbox ORDER BY row DESC LIMIT 1), 0),"
                          " coalesce((SELECT max(uptime_ms) FROM idempotency), 0))",
                          &total_ms, err));
    store->uptime = tb_uptime_start(total_ms, store->options.clock);
    store->saved_uptime_ms = total_ms;
    return TB_OK;
}

enum tb_code tb_store_save_uptime(struct tb_store *store, struct tb_error *err)
{
    struct tb_stmt *stmt = &store->stmts[TB_STMT_SET_UPTIME];
    int64_t now_ms = tb_uptime_ms(&store->uptime, store->options.clock);

    tb_stmt_bind_int64(stmt, ":uptime", now_ms);
    TB_TRY(tb_stmt_run(stmt, err));
    store->saved_uptime_ms = now_ms;
    return TB_OK;
}

static void close_db(struct tb_store *store)
{
    tb_statements_finalize(store->stmts);
    tb_db_close(store->db);
    store->db = NULL;
}

/* Row numbers go on, and only this connection writes. */
static enum tb_code is_ours(void *ctx, bool *ret_ours, struct tb_error *err)
{
    struct tb_store *store = ctx;
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const read = &store->stmts[TB_STMT_READ_CONTENT];
    bool row = false;

    TB_TRY(tb_stmt_step(read, &row, err));
    *ret_ours = row && tb_str_eq(tb_stmt_text(read, 0), tb_str_of(store->noted_ids)) &&
                tb_stmt_int64(read, 1) == store->last_row;
    return TB_OK;
}

static enum tb_code open_db(struct tb_store *store, struct tb_error *err)
{
    TB_TRY(tb_db_open(store->path, TB_DB_DURABLE, TB_STORE_WAL_PAGES, &store->db, err));
    tb_db_watch_checkpoints(store->db, store->options.checkpoints);
    /* Only readers and foreign programs hold locks; clients wait no longer than this for them. */
    tb_db_set_busy_timeout(store->db, 250);
    TB_TRY(tb_store_migrate(store->db, err));
    TB_TRY(tb_db_mark_wal(store->db, err));
    tb_statements_declare(store->stmts, store->db, 0, TB_STMT_STORE_END);
    return tb_store_load_counters(store, err);
}

/* SQLite would begin a new file, and write over the WAL. */
static enum tb_code check_orphan(const struct tb_store *store, struct tb_error *err)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf wal = {0};
    struct stat st;

    tb_buf_addf(&wal, "%s-wal", store->path);
    tb_buf_addc(&wal, '\0');
    if (!tb_buf_ok(&wal))
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    if (stat(wal.data, &st) != 0 || st.st_size == 0 ||
        (stat(store->path, &st) == 0 && st.st_size > 0))
        return TB_OK;
    tb_error_set(err, TB_CORRUPT, "%s is missing or empty, and its -wal has orders", store->path);
    err->native = TB_DB_FOREIGN_WAL;
    return err->code;
}

static enum tb_code open_first(struct tb_store *store, struct tb_error *err)
{
    bool found = false;

    TB_TRY(tb_db_check_cut(store->path, err));
    TB_TRY(check_orphan(store, err));
    TB_TRY(open_db(store, err));
    TB_TRY(file_identity(store->path, store->file_id, err));
    TB_TRY(read_meta(store, &found, err));
    if (!found) {
        TB_TRY(create_meta(store, err));
        TB_TRY(read_meta(store, &found, err));
    }
    store->is_new = !strchr(store->noted_ids, '/');
    store->is_copy = is_copy(store);
    if (store->is_copy)
        TB_TRY(begin_epoch(store, NULL, err));
    TB_TRY(load_uptime(store, err));
    tb_db_watch_content(store->db, is_ours, store);
    return load_epoch(store, err);
}

enum tb_code tb_store_open(const struct tb_store_options *options, struct tb_store **ret_store,
                           struct tb_error *err)
{
    struct tb_store *store = calloc(1, sizeof *store);
    enum tb_code code;

    if (!store || !(store->path = strdup(options->path))) {
        free(store);
        return tb_error_set(err, TB_INTERNAL, "out of memory");
    }
    TB_ASSERT(strlen(options->node) <= TB_NODE_MAX);
    snprintf(store->node, sizeof store->node, "%s", options->node);
    store->options = *options;
    store->options.path = store->path;
    store->options.node = store->node;
    store->ids = (struct tb_uuid_gen){.clock = options->clock, .random = options->random};

    code = open_first(store, err);
    if (code != TB_OK) {
        if (code == TB_BUSY && !strstr(err->text, options->path)) { /* it was open already */
            tb_db_add_holder(err, options->path);
            tb_error_wrap(err, "%s", options->path);
        }
        tb_store_free(store);
        if (code == TB_CORRUPT && err->native == TB_DB_FOREIGN_WAL)
            return tb_error_wrap(err,
                                 "to go on without the orders that only the -wal has, move it "
                                 "away; or put back the file that it is of");
        if (err->native == TB_DB_NOT_OURS)
            return tb_error_wrap(err,
                                 "%s is no store: put back a copy of it, or move it and its -wal "
                                 "away to begin without its orders",
                                 options->path);
        if (code == TB_CORRUPT || tb_error_is_of_schema(err))
            return tb_error_wrap(err,
                                 "%s is damaged: put back a copy of it, or move it and its -wal "
                                 "away to begin without its orders",
                                 options->path);
        return tb_error_wrap(err, "opening the store");
    }
    *ret_store = store;
    return TB_OK;
}

/* A failed commit may have left complete frames behind the place where this process sees the end
 * of the WAL. This process does not read them, but the next one would take them for committed,
 * although clients were told later that their orders do not exist. Writing one page over the first
 * of these frames breaks their chain of checksums. */
static enum tb_code overwrite_unknown_frames(struct tb_store *store, struct tb_error *err)
{
    TB_CLEANUP(tb_txn_rollback) struct tb_txn txn = {0};
    int64_t version = 0;
    char sql[48];

    TB_TRY(tb_db_query_int64(store->db, "PRAGMA user_version", &version, err));
    snprintf(sql, sizeof sql, "PRAGMA user_version=%d", (int)version);
    TB_TRY(tb_txn_begin(&txn, store->db, err));
    TB_TRY(tb_db_exec(store->db, sql, err));
    return tb_txn_commit(&txn, err);
}

enum tb_code tb_store_check_place(const struct tb_store *store, struct tb_error *err)
{
    char id[sizeof store->file_id];

    TB_TRY(file_identity(store->path, id, err));
    return strcmp(id, store->file_id) == 0
               ? TB_OK
               : tb_error_set(err, TB_CORRUPT, "%s was replaced while it was open", store->path);
}

static enum tb_code reopen(struct tb_store *store, struct tb_error *err)
{
    char ids[sizeof store->noted_ids];
    bool found = false;

    memcpy(ids, store->noted_ids, sizeof ids);
    /* Check first: SQLite would create the file anew if it is gone. */
    TB_TRY(tb_store_check_place(store, err));
    TB_TRY(open_db(store, err));
    TB_TRY(overwrite_unknown_frames(store, err));
    TB_TRY(read_meta(store, &found, err));
    if (!found || strcmp(store->noted_ids, ids) != 0)
        return tb_error_set(err, TB_CORRUPT, "%s lost its identity", store->path);
    tb_db_watch_content(store->db, is_ours, store);
    return load_epoch(store, err);
}

enum tb_code tb_store_reopen(struct tb_store *store, struct tb_error *err)
{
    enum tb_code code;

    close_db(store);
    code = reopen(store, err);
    if (code != TB_OK) {
        close_db(store);
        return tb_error_wrap(err, "reopening the store");
    }
    return TB_OK;
}

void tb_store_free(struct tb_store *store)
{
    if (!store)
        return;
    close_db(store);
    tb_buf_release(&store->doc);
    tb_buf_release(&store->payload);
    free(store->path);
    free(store);
}

const char *tb_store_epoch(const struct tb_store *store)
{
    return store->epoch;
}

int64_t tb_store_last_sequence(const struct tb_store *store)
{
    return store->last_row - store->epoch_first_row + 1;
}

bool tb_store_forced_offline(const struct tb_store *store)
{
    return store->forced_offline;
}

struct tb_uptime tb_store_uptime(const struct tb_store *store)
{
    return store->uptime;
}

enum tb_code tb_store_renew_epoch(struct tb_store *store, struct tb_error *err)
{
    TB_TRY(begin_epoch(store, NULL, err));
    return load_epoch(store, err);
}
