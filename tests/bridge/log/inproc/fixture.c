#include "bridge/log/inproc/fixture.h"
#include <stdio.h>
#include <stdlib.h>

struct log_fixture f;

void open_log(struct log_fixture *fix)
{
    struct tb_error err = {0};

    ck_ok(tb_log_inproc_open(fix->path, &fix->clock.clock, &fix->log, &err));
}

void make_log(struct log_fixture *fix)
{
    tmpdir_make(fix->dir);
    snprintf(fix->path, sizeof fix->path, "%s/log.db", fix->dir);
    fake_clock_init(&fix->clock, 1700000000000);
    open_log(fix);
}

void open_both(void)
{
    struct tb_error err = {0};

    ck_ok(tb_log_inproc_writer(f.log, &f.writer, &err));
    ck_ok(tb_log_inproc_reader(f.log, "g", &f.reader, &err));
}

void close_all(void)
{
    f.reader->ops->free(f.reader);
    f.writer->ops->free(f.writer);
    tb_log_inproc_free(f.log);
}

void log_setup(void)
{
    make_log(&f);
    open_both();
    f.seen = calloc(1, sizeof *f.seen);
    ck_assert_ptr_nonnull(f.seen);
}

void log_teardown(void)
{
    close_all();
    tb_arena_release(&f.seen->arena);
    free(f.seen);
    tmpdir_remove(f.dir);
}

void append(const char *key, const char *value, int64_t tag)
{
    struct tb_error err = {0};
    struct tb_record record = {.key = tb_str_of(key), .value = tb_str_of(value)};

    ck_ok(f.writer->ops->append(f.writer, &record, tag, &err));
}

size_t idle_poll(void)
{
    struct tb_log_ack acks[4];
    struct tb_error err = {0};
    size_t n = 0;

    ck_ok(f.writer->ops->poll(f.writer, 0, acks, 4, &n, &err));
    return n;
}

struct tb_log_range range_now(void)
{
    return tb_log_inproc_range(f.log, "g");
}

void commit(int64_t next)
{
    struct tb_error err = {0};

    ck_ok(f.reader->ops->commit(f.reader, 0, next, &err));
}

void release_all(void)
{
    tb_log_inproc_allow_removal(f.log, INT64_MAX);
}
