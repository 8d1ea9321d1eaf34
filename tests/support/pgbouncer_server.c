#include "tests/support/pgbouncer_server.h"

#include "common/base/clock.h"

#include <libpq-fe.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define START_TIMEOUT_MS 20000

static char folder[64];
static pid_t server;

static void give_up(const char *what)
{
    fprintf(stderr, "pgbouncer_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

static int free_port(void)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof address;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || bind(s, (struct sockaddr *)&address, size) != 0 ||
        getsockname(s, (struct sockaddr *)&address, &size) != 0) {
        give_up("finding a free port");
    }
    close(s);
    return ntohs(address.sin_port);
}

struct place {
    char user[64], host[64], database[64];
    int port;
};

static struct place read_url(const char *url)
{
    struct place p;
    if (sscanf(url, "postgresql://%63[^@:]@%63[^:]:%d/%63s", p.user, p.host, &p.port,
               p.database) != 4) {
        errno = EINVAL;
        give_up(url);
    }
    return p;
}

static FILE *create(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        give_up(path);
    }
    return file;
}

static void write_files(const struct place *p, const char *mode, int port)
{
    snprintf(folder, sizeof folder, "/tmp/backstitch-pgb-XXXXXX");
    if (mkdtemp(folder) == NULL || chmod(folder, 0755) != 0) {
        give_up("making a temporary folder");
    }
    FILE *users = create("users.txt");
    fprintf(users, "\"%s\" \"\"\n", p->user);
    fclose(users);
    FILE *ini = create("pgbouncer.ini");
    fprintf(ini,
            "[databases]\n* = host=%s port=%d\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            "listen_port = %d\nunix_socket_dir =\nauth_type = trust\nauth_file = "
            "%s/users.txt\npool_mode = %s\n",
            p->host, p->port, port, folder, mode);
    fclose(ini);
}

static void become_pgbouncer(void)
{
    char ini[128];
    char log[128];
    snprintf(ini, sizeof ini, "%s/pgbouncer.ini", folder);
    snprintf(log, sizeof log, "%s/log", folder);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    dup2(out, 1);
    dup2(out, 2);
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (geteuid() != 0 ||
        (user != NULL && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0)) {
        execl("/usr/sbin/pgbouncer", "pgbouncer", "-q", ini, (char *)NULL);
    }
    _exit(127);
}

void pgbouncer_server_start(const char *database_url, const char *mode, char *out,
                            size_t size)
{
    struct place p = read_url(database_url);
    int port = free_port();
    write_files(&p, mode, port);
    snprintf(out, size, "postgresql://%s@127.0.0.1:%d/%s", p.user, port, p.database);
    server = fork();
    if (server == 0) {
        become_pgbouncer();
    }
    int64_t deadline = clock_mono_ms() + START_TIMEOUT_MS;
    while (PQping(out) != PQPING_OK) {
        if (clock_mono_ms() > deadline || waitpid(server, NULL, WNOHANG) != 0) {
            errno = ETIMEDOUT;
            give_up("starting /usr/sbin/pgbouncer (Debian's package pgbouncer)");
        }
        struct timespec pause = { 0, 20000000 };
        nanosleep(&pause, NULL);
    }
}

void pgbouncer_server_stop(void)
{
    if (server == 0) {
        return;
    }
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    server = 0;
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/rm", "rm", "-rf", folder, (char *)NULL);
        _exit(127);
    }
    waitpid(child, NULL, 0);
}
