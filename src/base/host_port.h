/* Splits an address that is written as host:port. */
#pragma once
#include <stdbool.h>

#define TB_HOST_SIZE 256
#define TB_PORT_SIZE 6
/* "127.0.0.1:8081", "[::1]:8081" (the brackets are removed), ":8081" (the host is then ""). False
 * unless the port is a number from 0 to 65535; the characters of the host are not checked. */
bool tb_host_port_split(const char *text, char ret_host[TB_HOST_SIZE],
                        char ret_port[TB_PORT_SIZE]);
