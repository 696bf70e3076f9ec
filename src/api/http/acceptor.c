#include "api/http/acceptor.h"
#include "api/http/conn.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void tb_door_init(struct tb_door *door, int listen_fd, int64_t max, int64_t max_per_address)
{
    *door = (struct tb_door){.listen_fd = listen_fd, .max = max};
    door->peers.max = max_per_address;
    door->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void tb_door_close(struct tb_door *door)
{
    if (door->listen_fd >= 0)
        (void)close(door->listen_fd);
    if (door->spare_fd >= 0)
        (void)close(door->spare_fd);
    door->listen_fd = door->spare_fd = -1;
}

void tb_door_turn_away(int fd)
{
    tb_conn_send_refusal(fd, 503, 1, "Too many connections.");
    (void)close(fd);
}

/* Makes room for one descriptor, refuses with it whoever waits, and takes the room back. */
static bool refuse_with_spare(struct tb_door *door)
{
    if (door->spare_fd >= 0)
        (void)close(door->spare_fd);
    int fd = accept4(door->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        tb_door_turn_away(fd);
    door->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

bool tb_door_next(struct tb_door *door, int64_t present, struct tb_guest *ret_guest)
{
    for (;;) {
        struct tb_guest guest = {.address_len = sizeof(guest.address)};
        guest.fd = accept4(door->listen_fd, (struct sockaddr *)&guest.address, &guest.address_len,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (guest.fd < 0) {
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            if ((errno == EMFILE || errno == ENFILE) && refuse_with_spare(door))
                continue;
            return false;
        }
        if (present >= door->max ||
            !tb_peers_enter(&door->peers, (const struct sockaddr *)&guest.address, &guest.peer)) {
            tb_door_turn_away(guest.fd);
            continue;
        }
        *ret_guest = guest;
        return true;
    }
}
