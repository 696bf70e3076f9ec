/* The listening socket, and the address of a client as text.
 *
 * Thread:  one owner.
 * Errors:  TB_INVALID: the address is malformed, taken, or not one of this machine. */
#pragma once
#include "base/error.h"

/* Opens a listening, non-blocking socket. *ret_port is the real one where port 0 was asked. */
TB_CHECKED enum tb_code tb_listen_open(const char *listen, int *ret_fd, int *ret_port,
                                       struct tb_error *err);

/* "127.0.0.1:40312", "[::1]:40312". */
#define TB_PEER_TEXT_SIZE 56
/* The address at the other end of a socket; "?" if it cannot be read. */
void tb_socket_peer_text(int fd, char ret_text[TB_PEER_TEXT_SIZE]);
