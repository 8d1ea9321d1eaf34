#include "tests/support/postgres_server.h"

#include "common/base/clock.h"
#include "common/base/mem.h"

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
#include <unistd.h>

#define START_TIMEOUT_MS 30000

static char folder[64];
static char bin_folder[256];
static char admin_url[256];
static char database_url[320];
static int port;
static pid_t server;
static unsigned databases;

static void give_up(const char *what)
{
    fprintf(stderr, "postgres_server: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- children ---- */

static void become_postgres(void)
{
    if (geteuid() != 0) {
        return;
    }
    const struct passwd *user = getpwnam("postgres");
    if (user == NULL || setgid(user->pw_gid) != 0 || setuid(user->pw_uid) != 0) {
        give_up("becoming the user postgres");
    }
}

static pid_t start(char *const *argv, const char *log_name)
{
    char log[128];
    snprintf(log, sizeof log, "%s/%s", folder, log_name);
    pid_t child = fork();
    if (child != 0) {
        return child;
    }
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0666);
    dup2(out, 1);
    dup2(out, 2);
    become_postgres();
    if (chdir("/") == 0) {
        execv(argv[0], argv);
    }
    _exit(127);
}

static void run(char *const *argv, const char *what)
{
    int status = 0;
    pid_t child = start(argv, "initdb.log");
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        give_up(what);
    }
}

/* ---- places ---- */

static void find_binaries(void)
{
    FILE *config = popen("pg_config --bindir", "r");
    if (config == NULL || fgets(bin_folder, sizeof bin_folder, config) == NULL) {
        give_up("pg_config --bindir");
    }
    pclose(config);
    bin_folder[strcspn(bin_folder, "\n")] = '\0';
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

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/backstitch-pg-XXXXXX");
    if (mkdtemp(folder) == NULL) {
        give_up("making a temporary folder");
    }
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user != NULL && chown(folder, user->pw_uid, user->pw_gid) != 0) {
        give_up("giving the folder to postgres");
    }
}

/* ---- the server ---- */

static void wait_until_ready(void)
{
    int64_t deadline = clock_mono_ms() + START_TIMEOUT_MS;
    while (PQping(admin_url) != PQPING_OK) {
        if (clock_mono_ms() > deadline || waitpid(server, NULL, WNOHANG) != 0) {
            errno = ETIMEDOUT;
            give_up("waiting for PostgreSQL");
        }
        struct timespec pause = { 0, 20000000 };
        nanosleep(&pause, NULL);
    }
}

static void start_server(void)
{
    char program[300];
    char data[80];
    char number[16];
    char sockets[128];
    snprintf(program, sizeof program, "%s/postgres", bin_folder);
    snprintf(data, sizeof data, "%s/data", folder);
    snprintf(number, sizeof number, "%d", port);
    snprintf(sockets, sizeof sockets, "unix_socket_directories=%s", folder);
    /* fsync stays on where durability is tested: the e2e tests; here the server is never
     * cut off from its disk. */
    char *const argv[] = { program,
                           "-D",
                           data,
                           "-p",
                           number,
                           "-c",
                           sockets,
                           "-c",
                           "listen_addresses=127.0.0.1",
                           "-c",
                           "fsync=off",
                           "-c",
                           "max_connections=50",
                           NULL };
    server = start(argv, "postgres.log");
    wait_until_ready();
}

static void make_cluster(void)
{
    char program[300];
    char data[80];
    snprintf(program, sizeof program, "%s/initdb", bin_folder);
    snprintf(data, sizeof data, "%s/data", folder);
    char *const argv[] = { program,     "-D",    data, "-U",   "test",
                           "-A",        "trust", "-E", "UTF8", "--locale=C.UTF-8",
                           "--no-sync", NULL };
    run(argv, "initdb");
}

void postgres_server_start(void)
{
    if (admin_url[0] != '\0') {
        return;
    }
    const char *given = getenv("BACKSTITCH_TEST_DATABASE_URL");
    if (given != NULL) {
        snprintf(admin_url, sizeof admin_url, "%s", given);
        return;
    }
    find_binaries();
    make_folder();
    make_cluster();
    port = free_port();
    snprintf(admin_url, sizeof admin_url, "postgresql://test@127.0.0.1:%d/postgres",
             port);
    start_server();
}

static void end_server(int signal_number)
{
    kill(server, signal_number);
    waitpid(server, NULL, 0);
    server = 0;
}

void postgres_server_stop(void)
{
    if (server == 0) {
        return;
    }
    end_server(SIGINT);
    char *const argv[] = { "/bin/rm", "-rf", folder, NULL };
    pid_t child = fork();
    if (child == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    waitpid(child, NULL, 0);
}

const char *postgres_server_new_database(void)
{
    char sql[96];
    char name[64];
    snprintf(name, sizeof name, "test_%ld_%u", (long)getpid(), databases++);
    snprintf(sql, sizeof sql, "CREATE DATABASE %s", name);
    PGconn *c = PQconnectdb(admin_url);
    PGresult *r = PQexec(c, sql);
    REQUIRE(PQresultStatus(r) == PGRES_COMMAND_OK);
    PQclear(r);
    const char *last_slash = strrchr(admin_url, '/');
    snprintf(database_url, sizeof database_url, "%.*s/%s", (int)(last_slash - admin_url),
             admin_url, name);
    PQfinish(c);
    return database_url;
}

void postgres_server_crash_and_restart(void)
{
    REQUIRE(server != 0);
    end_server(SIGQUIT);
    start_server();
}
