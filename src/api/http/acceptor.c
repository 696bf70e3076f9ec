#include "api/http/acceptor.h"
#include "api/http/conn.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void tb_acceptor_init(struct tb_acceptor *acceptor, int listen_fd, int64_t max,
                      int64_t max_per_address)
{
    *acceptor = (struct tb_acceptor){.listen_fd = listen_fd, .max = max};
    acceptor->address_limit.max = max_per_address;
    acceptor->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void tb_acceptor_close(struct tb_acceptor *acceptor)
{
    if (acceptor->listen_fd >= 0)
        close(acceptor->listen_fd);
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    acceptor->listen_fd = acceptor->spare_fd = -1;
}

void tb_acceptor_reject(int fd)
{
    tb_conn_send_refusal(fd, 503, 1, "Too many connections.");
    close(fd);
}

/* Closes the spare descriptor, rejects the next connection with the free one, opens a spare again.
 */
static bool reject_with_spare(struct tb_acceptor *acceptor)
{
    if (acceptor->spare_fd >= 0)
        close(acceptor->spare_fd);
    int fd = accept4(acceptor->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        tb_acceptor_reject(fd);
    acceptor->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

bool tb_acceptor_next(struct tb_acceptor *acceptor, int64_t present,
                      struct tb_accepted *ret_accepted)
{
    for (;;) {
        struct tb_accepted accepted = {.address_len = sizeof accepted.address};
        accepted.fd = accept4(acceptor->listen_fd, (struct sockaddr *)&accepted.address,
                              &accepted.address_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (accepted.fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if ((errno == EMFILE || errno == ENFILE) && reject_with_spare(acceptor))
                continue;
            return false;
        }
        if (present >= acceptor->max ||
            !tb_address_limit_add(&acceptor->address_limit,
                                  (const struct sockaddr *)&accepted.address,
                                  &accepted.address_count)) {
            tb_acceptor_reject(accepted.fd);
            continue;
        }
        *ret_accepted = accepted;
        return true;
    }
}
