#include "base/host_port.h"
#include <stdlib.h>
#include <string.h>

bool tb_host_port_split(const char *text, char ret_host[TB_HOST_SIZE], char ret_port[TB_PORT_SIZE])
{
    const char *colon = strrchr(text, ':'), *host = text;
    size_t host_len, port_len;

    if (!colon)
        return false;
    host_len = (size_t)(colon - text);
    port_len = strlen(colon + 1);
    if (host_len > 0 && host[0] == '[') {
        if (host_len < 2 || host[host_len - 1] != ']')
            return false;
        host++;
        host_len -= 2;
    } else if (memchr(host, ':', host_len)) {
        return false; /* an IPv6 address needs its brackets */
    }
    if (host_len >= TB_HOST_SIZE || port_len < 1 || port_len >= TB_PORT_SIZE ||
        strspn(colon + 1, "0123456789") != port_len || strtol(colon + 1, NULL, 10) > 65535)
        return false;
    memcpy(ret_host, host, host_len);
    ret_host[host_len] = '\0';
    memcpy(ret_port, colon + 1, port_len + 1);
    return true;
}
