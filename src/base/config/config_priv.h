/* Inside of config: typed values, and what the file, the environment and the flags bring.
 *
 * Thread:  as config.h.
 * Memory:  texts are copied into the config's arena.
 * Errors:  false for a bad value; faults become lines of the report.
 * Units:   as config.h. */
#pragma once
#include "base/config/config.h"
#include "base/mem/arena.h"

struct tb_config {
    struct tb_arena arena;
    struct {
        const char *text; /* as it was written */
        int64_t value;    /* typed; 0 for texts */
        enum tb_config_origin origin;
    } keys[TB_CONFIG_KEY_COUNT];
    struct tb_config_property *properties; /* the first, in the arena */
    size_t property_count;
};

struct tb_config_loader {
    struct tb_config *config;
    struct tb_buf *report;
    size_t error_count;
    bool out_of_memory;
};

/* Reads a value as the key's type says. */
bool tb_config_value_parse(const struct tb_config_spec *spec, const char *text,
                           int64_t *ret_value);
/* "a whole number from 1 to 1000" */
void tb_config_value_allowed(const struct tb_config_spec *spec, struct tb_buf *out);

/* A line of the report. */
void tb_config_add_error(struct tb_config_loader *loader, const char *format, ...) TB_PRINTF(2, 3);
/* Takes a value, or reports it with `where` (file and line, variable or flag) in front. */
void tb_config_set(struct tb_config_loader *loader, enum tb_config_key key, const char *text,
                   enum tb_config_origin origin, const char *where);
/* The section of that name; TB_CONFIG_SECTION_COUNT: none. */
enum tb_config_section tb_config_section_find(const char *name);
/* Takes a property; where it is set already, a later origin wins and the same one is a fault. */
void tb_config_set_property(struct tb_config_loader *loader, enum tb_config_section section,
                            const char *key, const char *value, enum tb_config_origin origin,
                            const char *where);
/* TILLBOX_SECTION_KEY=value of such a section; false: it is something else. */
bool tb_config_set_property_from_env(struct tb_config_loader *loader, const char *entry,
                                     const char *where);
/* A file that must be there, unless it may be missing. */
void tb_config_read_file(struct tb_config_loader *loader, const char *path, bool may_be_missing);
