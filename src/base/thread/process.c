#include "base/thread/process.h"
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

/* With few processors, a round of the relay or the view would delay orders for longer than a
 * commit takes. If it calls this after each row, the node takes a tenth more orders, with 64
 * connections as well as with one. */
void tb_yield_cpu(void)
{
    sched_yield();
}
