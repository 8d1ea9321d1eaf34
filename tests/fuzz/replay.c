/* Runs a fuzz target over kept inputs: every file of the folders that are named. For
 * builds without a fuzzer, so that what was once found stays found.
 */
#include "tests/fuzz/fuzz.h"

#include "common/base/file.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX_BYTES ((size_t)64 << 20)

static void replay_file(const char *path)
{
    struct buf content = { 0 };
    struct error err;
    if (!file_read(path, INPUT_MAX_BYTES, &content, &err)) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    /* Memory of its exact size: the address sanitizer sees a byte too many. */
    uint8_t *exact = mem_alloc(content.len);
    memcpy(exact, content.len == 0 ? "" : content.data, content.len);
    LLVMFuzzerTestOneInput(exact, content.len);
    free(exact);
    buf_release(&content);
}

static unsigned replay_folder(const char *folder)
{
    DIR *dir = opendir(folder);
    char path[4096];
    unsigned files = 0;
    if (dir == NULL) {
        perror(folder);
        exit(1);
    }
    for (const struct dirent *e = readdir(dir); e != NULL; e = readdir(dir)) {
        if (e->d_name[0] != '.') {
            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            replay_file(path);
            files++;
        }
    }
    closedir(dir);
    return files;
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        unsigned files = replay_folder(argv[i]);
        printf("%s: %u inputs\n", argv[i], files);
        if (files == 0) {
            return 1;
        }
    }
    return argc > 1 ? 0 : 1;
}
