/* What the tests of the configuration share: loads one from a file, an environment and flags.
 *
 * Memory:  release frees a load; config_teardown removes the file's folder.
 * Errors:  failed check assertions, unless a code is returned. */
#pragma once
#include "base/config/config.h"

#define LISTEN "127.0.0.1:8081"
#define ARGS_MAX 8

extern char file_path[160];

/* The input and the results of one load. */
struct load {
    const char *file; /* its content; NULL: no --config */
    const char *env[ARGS_MAX];
    const char *args[ARGS_MAX];
    struct tb_config *config;
    struct tb_buf report;
};

void config_setup(void);
void config_teardown(void);
void write_file(const char *bytes, size_t len);
enum tb_code load(struct load *load);
void release(struct load *load);
void load_good(struct load *l);
/* Compares every line of the report, in which FILE stands for the path. */
void check_report(struct load *l, const char *const *lines);
