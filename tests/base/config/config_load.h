/* What the tests of the configuration share: a load from a file, an environment and flags.
 *
 * Thread:  one.
 * Memory:  a load is released by release; the file's folder by config_teardown.
 * Errors:  failed check assertions, unless a code is returned.
 * Units:   none. */
#pragma once
#include "base/config/config.h"

#define LISTEN "127.0.0.1:8081"
#define ARGS_MAX 8

extern char file_path[160];

/* What goes in and what came out of one load. */
struct load {
    const char *file; /* its contents; NULL: none is named */
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
/* Every line of the report, with FILE for the path. */
void check_report(struct load *l, const char *const *lines);
