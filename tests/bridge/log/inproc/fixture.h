/* What the tests of the in-process log share: a log in a folder of its own, with a writer and a
 * reader of group "g", and a fake clock.
 *
 * Thread:  one thread.
 * Memory:  one of each in a process; call log_setup and log_teardown around each test.
 * Errors:  failed check assertions.
 * Units:   as log.h. */
#pragma once
#include "bridge/log/inproc/inproc_priv.h"
#include "bridge/log/log_tools.h"
#include "support/support.h"

struct log_fixture {
    char dir[128], path[160];
    struct fake_clock clock;
    struct tb_log_inproc *log;
    struct tb_log_writer *writer;
    struct tb_log_reader *reader;
    struct log_seen *seen;
};
extern struct log_fixture f;

void open_log(struct log_fixture *fix);
void make_log(struct log_fixture *fix); /* a new folder, and open_log */
void open_both(void);                   /* writer and reader of f */
void close_all(void);                   /* those, and the log */
void log_setup(void);
void log_teardown(void);

void append(const char *key, const char *value, int64_t tag); /* without a commit */
size_t idle_poll(void);              /* returns the number of acknowledgements */
struct tb_log_range range_now(void); /* with what group "g" has committed */
void commit(int64_t next);
void release_all(void); /* all records may be removed */
