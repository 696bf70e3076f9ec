#include "query/sqlite/view_sqlite_priv.h"

/* The columns that read_row reads, in this order. */
enum {
    PARTITION,
    OFFSET,
    STATUS,
    ORDER_ID,
    VERSION,
    TYPE,
    REASON,
    MESSAGE,
    ATTEMPTS,
    REDRIVES,
    DEAD_AT,
    CHANGED_AT,
    KEY,
    HEADERS,
    VALUE
};
#define COLUMNS                                                                                   \
    "partition, \"offset\", status, order_id, version, type, reason, message, attempts, follows," \
    " dead_at, changed_at, key, headers, value"
#define FILTERS " AND (:type IS NULL OR type = :type) AND (:reason IS NULL OR reason = :reason)"
#define BY_TIME " (dead_at, partition, \"offset\") > (:after_at, :after_partition, :after_offset)"
#define IN_TIME " ORDER BY dead_at, partition, \"offset\" LIMIT :limit"

const char *const tb_view_sqlite_dead_letters_sql =
    "SELECT " COLUMNS " FROM dead_letters INDEXED BY dead_letters_by_time WHERE" BY_TIME FILTERS
    " AND (:status IS NULL OR status = :status)" IN_TIME;
const char *const tb_view_sqlite_open_dead_letters_sql =
    "SELECT " COLUMNS " FROM dead_letters INDEXED BY dead_letters_open WHERE status = 'open'"
    " AND" BY_TIME FILTERS IN_TIME;
const char *const tb_view_sqlite_order_dead_letters_sql =
    "SELECT " COLUMNS " FROM dead_letters INDEXED BY dead_letters_by_order"
    " WHERE order_id = :order_id"
    " AND (partition, \"offset\") > (:after_partition, :after_offset) AND dead_at >= "
    ":since" FILTERS
    " AND (:status IS NULL OR status = :status) ORDER BY partition, \"offset\" LIMIT :limit";
const char *const tb_view_sqlite_dead_letter_sql =
    "SELECT " COLUMNS " FROM dead_letters WHERE partition = :partition AND \"offset\" = :offset";
/* The index has every column of a dead letter that this reads. */
const char *const tb_view_sqlite_redrivable_sql =
    "SELECT d.dead_at, d.partition, d.\"offset\", d.version, d.follows, o.version"
    " FROM dead_letters d INDEXED BY dead_letters_open"
    " LEFT JOIN orders o ON o.order_id = d.order_id"
    " WHERE d.status = 'open' AND d.reason = '" TB_REASON_GAP "' AND"
    " (d.dead_at, d.partition, d.\"offset\") > (:after_at, :after_partition, :after_offset)"
    " ORDER BY d.dead_at, d.partition, d.\"offset\" LIMIT :limit";

static bool take(struct tb_str *rest, size_t len, struct tb_str *ret_text)
{
    if (rest->len < len)
        return false;
    *ret_text = (struct tb_str){rest->ptr, len};
    rest->ptr += len;
    rest->len -= len;
    return true;
}

static bool take_length(struct tb_str *rest, uint32_t *ret_length)
{
    struct tb_str text;

    if (!take(rest, 4, &text))
        return false;
    *ret_length = 0;
    for (size_t i = 0; i < 4; i++)
        *ret_length = *ret_length << 8 | (unsigned char)text.ptr[i];
    return true;
}

static bool take_header(struct tb_str *rest, struct tb_header *ret_header)
{
    uint32_t length;

    if (!take_length(rest, &length) || !take(rest, length, &ret_header->name) ||
        !take_length(rest, &length))
        return false;
    ret_header->value = (struct tb_str){0};
    return length == TB_PACKED_HEADER_ABSENT || take(rest, length, &ret_header->value);
}

/* Unpacks headers as dead_letter_write.c packs them; they point into the blob. */
static enum tb_code read_headers(struct tb_str blob, struct tb_arena *arena,
                                 struct tb_dead_letter *letter, struct tb_error *err)
{
    struct tb_header *headers, header;
    size_t count = 0;

    for (struct tb_str rest = blob; rest.len > 0; count++) {
        if (!take_header(&rest, &header))
            return tb_error_set(err, TB_CORRUPT, "the headers of a dead letter are damaged");
    }
    headers = tb_arena_array(arena, count + 1, sizeof *headers);
    if (!headers)
        return tb_error_set(err, TB_INTERNAL, "out of memory reading a dead letter");
    for (size_t i = 0; i < count; i++)
        (void)take_header(&blob, &headers[i]);
    letter->headers = headers;
    letter->header_count = count;
    return TB_OK;
}

/* The texts point into the row: they are valid until the statement's next step. */
static enum tb_code read_row(struct tb_stmt *stmt, struct tb_arena *arena,
                             struct tb_dead_letter *ret_letter, struct tb_error *err)
{
    struct tb_str order_id = tb_stmt_text(stmt, ORDER_ID);
    struct tb_dead_letter letter = {
        .position = {(int32_t)tb_stmt_int64(stmt, PARTITION), tb_stmt_int64(stmt, OFFSET)},
        .version = tb_stmt_int64(stmt, VERSION),
        .type = tb_stmt_text(stmt, TYPE),
        .reason = tb_stmt_text(stmt, REASON),
        .message = tb_stmt_text(stmt, MESSAGE),
        .attempts = tb_stmt_int64(stmt, ATTEMPTS),
        .redrives = tb_stmt_int64(stmt, REDRIVES),
        .dead_at_ms = tb_stmt_int64(stmt, DEAD_AT),
        .changed_at_ms = tb_stmt_int64(stmt, CHANGED_AT),
        .key = tb_stmt_text(stmt, KEY),
        .value = tb_stmt_text(stmt, VALUE),
    };

    if (!tb_dead_letter_status_parse(tb_stmt_text(stmt, STATUS), &letter.status))
        return tb_error_set(err, TB_CORRUPT, "a dead letter has no status");
    if (order_id.len == TB_UUID_LEN)
        memcpy(letter.order_id, order_id.ptr, TB_UUID_LEN);
    TB_TRY(read_headers(tb_stmt_text(stmt, HEADERS), arena, &letter, err));
    *ret_letter = letter;
    return TB_OK;
}

/* Copies every text to the arena, so that it outlives the row. */
static bool copy_texts(struct tb_arena *arena, struct tb_dead_letter *letter)
{
    struct tb_record record = {.key = letter->key,
                               .value = letter->value,
                               .headers = letter->headers,
                               .header_count = letter->header_count};

    if (!tb_record_copy(arena, &record, &record) ||
        !tb_arena_copy_in_place(arena, &letter->type) ||
        !tb_arena_copy_in_place(arena, &letter->reason) ||
        !tb_arena_copy_in_place(arena, &letter->message))
        return false;
    letter->key = record.key;
    letter->value = record.value;
    letter->headers = record.headers;
    return true;
}

static enum tb_code load_dead_letter(struct tb_stmt *by_position,
                                     struct tb_dead_letter_position position,
                                     struct tb_arena *arena, struct tb_dead_letter *ret_letter,
                                     struct tb_error *err)
{
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = by_position;
    bool row = false;

    tb_stmt_bind_int64(stmt, ":partition", position.partition);
    tb_stmt_bind_int64(stmt, ":offset", position.offset);
    TB_TRY(tb_stmt_step(stmt, &row, err));
    if (!row)
        return tb_error_set(err, TB_NOT_FOUND, "the view has no such dead letter");
    TB_TRY(read_row(stmt, arena, ret_letter, err));
    return copy_texts(arena, ret_letter)
               ? TB_OK
               : tb_error_set(err, TB_INTERNAL, "out of memory reading a dead letter");
}

enum tb_code tb_view_sqlite_get_dead_letter(struct tb_view_reader *base,
                                            struct tb_dead_letter_position position,
                                            struct tb_arena *arena,
                                            struct tb_dead_letter *ret_letter,
                                            struct tb_error *err)
{
    return load_dead_letter(&tb_view_sqlite_current(base)->stmts.dead_letter, position, arena,
                            ret_letter, err);
}

static void bind_filter(struct tb_stmt *stmt, const struct tb_dead_letter_filter *filter,
                        bool by_order)
{
    int64_t since_ms = filter->has_since ? filter->since_ms : INT64_MIN;
    /* (-1, -1) sorts before every dead letter of that millisecond. */
    int64_t after_at_ms = since_ms;
    struct tb_dead_letter_position after = {-1, -1};

    if (filter->has_after && (by_order || filter->after_dead_at_ms >= since_ms)) {
        after_at_ms = filter->after_dead_at_ms;
        after = filter->after;
    }
    if (by_order) {
        tb_stmt_bind_text(stmt, ":order_id", filter->order_id);
        tb_stmt_bind_int64(stmt, ":since", since_ms);
    } else {
        tb_stmt_bind_int64(stmt, ":after_at", after_at_ms);
    }
    tb_stmt_bind_int64(stmt, ":after_partition", after.partition);
    tb_stmt_bind_int64(stmt, ":after_offset", after.offset);
    tb_stmt_bind_text(stmt, ":type", filter->type);
    tb_stmt_bind_text(stmt, ":reason", filter->reason);
    /* One row more than wanted shows whether there are further ones. */
    tb_stmt_bind_int64(stmt, ":limit", filter->limit + 1);
}

enum tb_code tb_view_sqlite_list_dead_letters(struct tb_view_reader *base,
                                              const struct tb_dead_letter_filter *filter,
                                              tb_dead_letter_fn *each, void *ctx, bool *ret_more,
                                              struct tb_error *err)
{
    struct tb_sqlite_reader *reader = tb_view_sqlite_current(base);
    bool by_order = filter->order_id.ptr != NULL, row = true, wanted = true;
    bool open = filter->has_status && filter->status == TB_DEAD_LETTER_OPEN && !by_order;
    TB_CLEANUP(tb_stmt_resetp)
    struct tb_stmt *const stmt = by_order ? &reader->stmts.order_dead_letters
                                 : open   ? &reader->stmts.open_dead_letters
                                          : &reader->stmts.dead_letters;
    TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};

    TB_ASSERT(filter->limit > 0);
    bind_filter(stmt, filter, by_order);
    if (filter->has_status && !open)
        tb_stmt_bind_text(stmt, ":status", tb_str_of(tb_dead_letter_status_name(filter->status)));
    for (int i = 0; i <= filter->limit && wanted; i++) {
        struct tb_dead_letter letter;

        tb_arena_clear(&arena);
        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        if (i == filter->limit)
            continue;
        TB_TRY(read_row(stmt, &arena, &letter, err));
        wanted = each(ctx, &letter);
    }
    *ret_more = row;
    return TB_OK;
}

enum tb_code tb_view_sqlite_redrivable(struct tb_view *base, struct tb_redrive_scan *scan,
                                       size_t max, tb_dead_letter_fn *each, void *ctx,
                                       struct tb_error *err)
{
    struct tb_view_sqlite *view = (struct tb_view_sqlite *)base;
    TB_CLEANUP(tb_stmt_resetp) struct tb_stmt *const stmt = &view->stmts.redrivable;
    struct tb_redrive_scan last = *scan; /* the dead letter that was looked at last */
    bool row = true, wanted = true;
    size_t found = 0;
    int looked = 0;

    tb_stmt_bind_int64(stmt, ":after_at", scan->begun ? scan->dead_at_ms : INT64_MIN);
    tb_stmt_bind_int64(stmt, ":after_partition", scan->position.partition);
    tb_stmt_bind_int64(stmt, ":after_offset", scan->position.offset);
    tb_stmt_bind_int64(stmt, ":limit", TB_REDRIVE_SCAN_MAX);
    while (found < max) {
        TB_CLEANUP(tb_arena_release) struct tb_arena arena = {0};
        struct tb_dead_letter letter;

        TB_TRY(tb_stmt_step(stmt, &row, err));
        if (!row)
            break;
        last.dead_at_ms = tb_stmt_int64(stmt, 0);
        last.position = (struct tb_dead_letter_position){(int32_t)tb_stmt_int64(stmt, 1),
                                                         tb_stmt_int64(stmt, 2)};
        looked++;
        /* The version of an order that the view does not have reads as 0. */
        if (tb_stmt_int64(stmt, 3) > tb_stmt_int64(stmt, 5) + 1 ||
            tb_stmt_int64(stmt, 4) >= TB_REDRIVES_MAX)
            continue;
        found++;
        if (!wanted)
            continue;
        TB_TRY(load_dead_letter(&view->stmts.dead_letter, last.position, &arena, &letter, err));
        wanted = each(ctx, &letter);
    }
    last.begun = row || looked == TB_REDRIVE_SCAN_MAX;
    *scan = last;
    return TB_OK;
}
