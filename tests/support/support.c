#include "support/support.h"
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void tmpdir_make(char path[128])
{
    const char *base = getenv("TMPDIR");

    snprintf(path, 128, "%s/tillbox-test-XXXXXX", base && *base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(path));
}

void read_whole_file(const char *path, struct tb_buf *out)
{
    FILE *file = fopen(path, "rb");
    char chunk[4096];
    size_t got;

    ck_assert_msg(file != NULL, "%s", path);
    while ((got = fread(chunk, 1, sizeof chunk, file)) > 0)
        tb_buf_add(out, chunk, got);
    ck_assert_int_eq(fclose(file), 0);
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void tmpdir_remove(const char *path)
{
    (void)nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static int64_t fake_wall(void *ctx)
{
    return ((struct fake_clock *)ctx)->wall_ms;
}

static int64_t fake_mono(void *ctx)
{
    return ((struct fake_clock *)ctx)->mono_us;
}

void fake_clock_init(struct fake_clock *fake, int64_t wall_ms)
{
    fake->clock = (struct tb_clock){fake, fake_wall, fake_mono};
    fake->wall_ms = wall_ms;
    fake->mono_us = 1000000;
}

void fake_clock_advance(struct fake_clock *fake, int64_t ms)
{
    fake->wall_ms += ms;
    fake->mono_us += ms * 1000;
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t fake_random_u64(struct fake_random *fake)
{
    uint64_t *s = fake->state;
    uint64_t result = rotl(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}

uint64_t fake_random_below(struct fake_random *fake, uint64_t bound)
{
    return fake_random_u64(fake) % bound;
}

static void fake_fill(void *ctx, void *bytes, size_t len)
{
    uint8_t *out = bytes;

    while (len > 0) {
        uint64_t value = fake_random_u64(ctx);
        size_t part = len < sizeof value ? len : sizeof value;

        memcpy(out, &value, part);
        out += part;
        len -= part;
    }
}

void fake_random_init(struct fake_random *fake, uint64_t seed)
{
    fake->random = (struct tb_random){fake, fake_fill};
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        seed += 0x9e3779b97f4a7c15;
        uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        fake->state[i] = z ^ (z >> 31);
    }
}

uint64_t test_seed(uint64_t fallback)
{
    const char *text = getenv("TB_SEED");
    uint64_t seed = text && *text ? strtoull(text, NULL, 0) : fallback;

    printf("seed %" PRIu64 " (set TB_SEED to repeat)\n", seed);
    return seed;
}

int test_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    int failed;

    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static struct {
    int mine, of, added;
} share = {.of = 1};

void tcase_add_shared(TCase *tc, const TTest *test, int begin, int end)
{
    for (int i = begin; i < end; i++) {
        if (share.added++ % share.of == share.mine)
            tcase_add_loop_test(tc, test, i, i + 1);
    }
}

int test_main_side_by_side(Suite *(*make)(void), int processes)
{
    int failed = 0, status;

    share.of = processes;
    fflush(NULL); /* otherwise each process would print it again */
    for (share.mine = 0; share.mine < processes; share.mine++) {
        pid_t pid = fork();

        if (pid == 0)
            exit(test_main(make()));
        failed += pid < 0;
    }
    while (wait(&status) > 0)
        failed += !WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS;
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
