#include "ingest/http/socket_of.h"

#include <civetweb.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

typedef int (*name_fn)(int fd, struct sockaddr *address, socklen_t *size);

/* getpeername's or getsockname's answer; the port in host order, 0 when it has none. */
static int port_of(int fd, name_fn name_of, union address *out)
{
    socklen_t size = sizeof *out;
    memset(out, 0, sizeof *out);
    if (name_of(fd, &out->any, &size) != 0) {
        return 0;
    }
    return out->any.sa_family == AF_INET    ? ntohs(out->v4.sin_port)
           : out->any.sa_family == AF_INET6 ? ntohs(out->v6.sin6_port)
                                            : 0;
}

static bool is_address(const union address *a, const char *text)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (a->any.sa_family == AF_INET) {
        return inet_pton(AF_INET, text, &v4) == 1 &&
               memcmp(&v4, &a->v4.sin_addr, sizeof v4) == 0;
    }
    return inet_pton(AF_INET6, text, &v6) == 1 &&
           memcmp(&v6, &a->v6.sin6_addr, sizeof v6) == 0;
}

static bool is_connection(int fd, const struct mg_request_info *info)
{
    union address peer;
    union address own;
    return port_of(fd, getpeername, &peer) == info->remote_port &&
           is_address(&peer, info->remote_addr) &&
           port_of(fd, getsockname, &own) == info->server_port;
}

int socket_of(const struct mg_connection *connection)
{
    /* NULL until civetweb has begun to read the connection's first head. */
    const struct mg_request_info *info = mg_get_request_info(connection);
    DIR *open_files = info == NULL ? NULL : opendir("/proc/self/fd");
    int found = -1;
    if (open_files == NULL) {
        return -1;
    }
    const struct dirent *entry = readdir(open_files);
    while (entry != NULL && found < 0) {
        char *end = NULL;
        int fd = (int)strtol(entry->d_name, &end, 10);
        if (end != entry->d_name && *end == '\0' && is_connection(fd, info)) {
            found = fd;
        }
        entry = readdir(open_files);
    }
    closedir(open_files);
    return found;
}
