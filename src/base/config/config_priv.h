/* Shared by the files of base/config: the loader, to which the file, the environment and the flags
 * add their values. It copies texts into the config's arena; errors become lines of the report. */
#pragma once
#include "base/config/config.h"
#include "base/mem/arena.h"

struct tb_config {
    struct tb_arena arena;
    struct {
        const char *text; /* as the source has it */
        int64_t value;    /* typed; 0 for texts */
        enum tb_config_origin origin;
    } keys[TB_CONFIG_KEY_COUNT];
    struct tb_config_property *properties, *last_property; /* a list, in the arena */
    size_t property_count;
};

struct tb_config_loader {
    struct tb_config *config;
    struct tb_buf *report;
    size_t error_count;
    bool out_of_memory;
};

/* Parses a value of the key's type; false: it is wrong. */
bool tb_config_value_parse(const struct tb_config_spec *spec, const char *text,
                           int64_t *ret_value);
/* Writes what is allowed: "a whole number from 1 to 1000". */
void tb_config_value_allowed(const struct tb_config_spec *spec, struct tb_buf *out);

/* Adds a line to the report. */
void tb_config_add_error(struct tb_config_loader *loader, const char *format, ...) TB_PRINTF(2, 3);
/* Sets a key, or reports a wrong value; `where` is the file and line, the variable or the flag. */
void tb_config_set(struct tb_config_loader *loader, enum tb_config_key key, const char *text,
                   enum tb_config_origin origin, const char *where);
/* The section with this name; TB_CONFIG_SECTION_COUNT: there is none. */
enum tb_config_section tb_config_section_find(const char *name);
/* Sets a property. A later origin overrides an earlier one; a second value from the same origin is
 * an error. */
void tb_config_set_property(struct tb_config_loader *loader, enum tb_config_section section,
                            const char *key, const char *value, enum tb_config_origin origin,
                            const char *where);
/* Sets a property from TILLBOX_SECTION_KEY=value; false: it names no such section. */
bool tb_config_set_property_from_env(struct tb_config_loader *loader, const char *entry,
                                     const char *where);
/* Reads a file. A missing file is an error unless may_be_missing. */
void tb_config_read_file(struct tb_config_loader *loader, const char *path, bool may_be_missing);
/* Returns the length of TILLBOX_SECTION_KEY if entry starts with it, else 0. */
size_t tb_config_env_prefix(const char *entry, const char *section, const char *key);
