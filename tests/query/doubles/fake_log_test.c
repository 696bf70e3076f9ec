/* Goal: the tests of the query side do not depend on a log that behaves unlike the real ones.
 * Method: the contract of log.h is run against the fake. */
#include "bridge/log/log_conformance.h"
#include "query/doubles/fake_log.h"
#include <stdlib.h>

struct subject {
    struct fake_log log;
    struct fake_random random;
    struct tb_arena arena; /* the records' bytes */
};

static void *make(void)
{
    struct subject *subject = calloc(1, sizeof *subject);

    ck_assert_ptr_nonnull(subject);
    fake_random_init(&subject->random, 1);
    fake_log_init(&subject->log, &subject->random);
    subject->log.commits_repeat = true;
    return subject;
}

static void put(void *log, const struct tb_record *record)
{
    struct subject *subject = log;
    struct tb_record copy;

    ck_assert(tb_record_copy(&subject->arena, record, &copy));
    fake_log_add(&subject->log, &copy);
}

/* The fake has no position at first, so that a consumer that does not seek fails. */
static enum tb_code reader(void *log, const char *group, struct tb_log_reader **ret_reader,
                           struct tb_error *err)
{
    struct subject *subject = log;
    struct tb_log_reader *opened = &subject->log.reader;

    (void)group;
    for (int32_t p = 0; p < TEST_PARTITIONS; p++) {
        int64_t committed = subject->log.committed[p];

        TB_TRY(
            opened->ops->seek(opened, p, committed < 0 ? subject->log.begin[p] : committed, err));
    }
    *ret_reader = opened;
    return TB_OK;
}

static void idle(void *log)
{
    (void)log;
}

static void cut(void *log, int32_t partition, int64_t begin)
{
    ((struct subject *)log)->log.begin[partition] = begin;
}

static void destroy(void *log)
{
    struct subject *subject = log;

    fake_log_release(&subject->log);
    tb_arena_release(&subject->arena);
    free(subject);
}

int main(void)
{
    static const struct log_conformance fake = {
        .lacks = LOG_LACKS_WRITER | LOG_LACKS_GROUPS | LOG_LACKS_WAITING | LOG_LACKS_CLOCK |
                 LOG_LACKS_REBALANCE,
        .make = make,
        .put = put,
        .reader = reader,
        .idle = idle,
        .reopen = idle,
        .cut = cut,
        .destroy = destroy,
    };
    Suite *suite = suite_create("fake_log");

    suite_add_tcase(suite, log_conformance_case(&fake));
    return test_main(suite);
}
