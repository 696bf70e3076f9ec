#include "base/thread/process.h"
#include "base/time/clock.h"
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

void tb_process_open_standard_files(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

int64_t tb_process_raise_file_limit(int64_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    rlim_t before = limit.rlim_cur;
    if (limit.rlim_cur < (rlim_t)wanted)
        limit.rlim_cur = limit.rlim_max < (rlim_t)wanted ? limit.rlim_max : (rlim_t)wanted;
    if (limit.rlim_cur != before && setrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit.rlim_cur = before;
    return limit.rlim_cur > INT64_MAX ? INT64_MAX : (int64_t)limit.rlim_cur;
}

void tb_yield_cpu(void)
{
    sched_yield();
}

/* A turn of the node's own threads is shorter than this, with a commit in it. */
#define LONG_TURN_US 2000

/* With few processors, a round of the relay or the view would delay orders for longer than a
 * commit takes. If it calls this after each row, the node takes a tenth more orders, with 64
 * connections as well as with one.
 *
 * Where other programs are busy too, sched_yield returns after a turn of each of them: a rebuild
 * that gives way after each row then reads fifty rows a second. So after a long turn of others the
 * thread works for as long as that took before it gives way again. */
void tb_give_way(void)
{
    static _Thread_local int64_t next_us;
    int64_t began_us = tb_clock_mono_us(&tb_clock_system), turn_us;

    if (began_us < next_us)
        return;
    sched_yield();
    turn_us = tb_clock_mono_us(&tb_clock_system) - began_us;
    next_us = turn_us > LONG_TURN_US ? began_us + 2 * turn_us : 0;
}
