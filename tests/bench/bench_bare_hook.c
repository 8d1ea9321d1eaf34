/* The least that a civetweb server can do for an event: read its body, answer 200. What
 * ingest is compared with. usage: bench_bare_hook PORT THREADS */
#include <civetweb.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BODY_BYTES 65536

static int on_request(struct mg_connection *connection)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 "Content-Length: 16\r\nConnection: keep-alive\r\n\r\n"
                                 "{\"success\":true}";
    char body[BODY_BYTES];
    long long left = mg_get_request_info(connection)->content_length;
    while (left > 0) {
        int n = mg_read(connection, body, sizeof body);
        if (n <= 0) {
            return 1;
        }
        left -= n;
    }
    mg_write(connection, answer, sizeof answer - 1);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_bare_hook PORT THREADS\n");
        return 2;
    }
    char listen[64];
    snprintf(listen, sizeof listen, "127.0.0.1:%s", argv[1]);
    const char *options[] = {
        "listening_ports",   listen, "num_threads",           argv[2], "tcp_nodelay", "1",
        "enable_keep_alive", "yes",  "keep_alive_timeout_ms", "15000", NULL
    };
    struct mg_callbacks callbacks = { .begin_request = on_request };
    mg_init_library(0);
    if (mg_start(&callbacks, NULL, options) == NULL) {
        fprintf(stderr, "cannot listen on %s\n", listen);
        return 1;
    }
    pause();
    return 0;
}
