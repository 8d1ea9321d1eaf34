#include "tests/support/capture.h"

#include "common/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_back(FILE *file, struct buf *out)
{
    char chunk[4096];
    rewind(file);
    size_t len = fread(chunk, 1, sizeof chunk, file);
    while (len > 0) {
        buf_add(out, chunk, len);
        len = fread(chunk, 1, sizeof chunk, file);
    }
    (void)fclose(file);
}

void capture_run(int (*function)(const void *context), const void *context,
                 struct capture *result)
{
    *result = (struct capture){ 0 };
    FILE *out = tmpfile();
    FILE *err = tmpfile();
    REQUIRE(out != NULL && err != NULL);
    (void)fflush(NULL);
    pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        REQUIRE(dup2(fileno(out), STDOUT_FILENO) >= 0 &&
                dup2(fileno(err), STDERR_FILENO) >= 0);
        exit(function(context)); /* not _exit: the leak checker runs at exit */
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    result->exit_code =
        WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    read_back(out, &result->out);
    read_back(err, &result->err);
}

void capture_release(struct capture *result)
{
    buf_release(&result->out);
    buf_release(&result->err);
}
