/* Goal: the tests of group commits do not depend on a log that behaves unlike the real ones.
 * Method: the contract of log.h is run against one member of the fake group. */
#include "bridge/log/log_conformance.h"
#include "query/doubles/group_log.h"
#include <stdlib.h>

struct subject {
    struct group_log log;
    struct fake_random random;
    struct tb_arena arena; /* the records' bytes */
};

static void *make(void)
{
    struct subject *subject = calloc(1, sizeof *subject);

    ck_assert_ptr_nonnull(subject);
    fake_random_init(&subject->random, 1);
    group_log_init(&subject->log, &subject->random);
    return subject;
}

static void put(void *log, const struct tb_record *record)
{
    struct subject *subject = log;
    struct tb_record copy;

    ck_assert(tb_record_copy(&subject->arena, record, &copy));
    group_log_add(&subject->log, &copy);
}

static enum tb_code reader(void *log, const char *group, struct tb_log_reader **ret_reader,
                           struct tb_error *err)
{
    struct subject *subject = log;

    (void)group;
    (void)err;
    group_log_restart(&subject->log, 0);
    *ret_reader = &subject->log.members[0].reader;
    return TB_OK;
}

static void idle(void *log)
{
    (void)log;
}

static void destroy(void *log)
{
    struct subject *subject = log;

    group_log_release(&subject->log);
    tb_arena_release(&subject->arena);
    free(subject);
}

int main(void)
{
    static const struct log_conformance fake = {
        .lacks = LOG_LACKS_WRITER | LOG_LACKS_GROUPS | LOG_LACKS_WAITING | LOG_LACKS_CLOCK,
        .make = make,
        .put = put,
        .reader = reader,
        .idle = idle,
        .reopen = idle,
        .destroy = destroy,
    };
    Suite *suite = suite_create("group_log");

    suite_add_tcase(suite, log_conformance_case(&fake));
    return test_main(suite);
}
