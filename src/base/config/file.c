#include "base/config/config_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

/* A configuration has a few thousand bytes; a file of more than this is the wrong one. */
#define FILE_MAX (1 << 20)
/* The longest value is a path or a list of 4,096 bytes. */
#define LINE_MAX_BYTES 8192

/* The text of a file, which inih reads line by line. We count the lines, because inih does not
 * pass their numbers to its callback. */
struct ini_source {
    struct tb_config_loader *loader;
    const char *path;
    const char *at, *end;
    int line;
    char where[PATH_MAX + 16];     /* "path:line" of the present line, for the report */
    bool wants_value;              /* the present line is neither blank, comment nor section */
    bool in_broken_section;        /* behind a malformed section line: keys are ignored */
    int seen[TB_CONFIG_KEY_COUNT]; /* the line that set a key; 0: none */
};

static enum tb_config_key find_key(const char *section, const char *name)
{
    int key = 0;

    while (key < TB_CONFIG_KEY_COUNT && (strcmp(tb_config_specs[key].section, section) != 0 ||
                                         strcmp(tb_config_specs[key].key, name) != 0))
        key++;
    return (enum tb_config_key)key;
}

/* Reports an unknown key with the keys of its section; if that is unknown, with all sections. */
static void report_unknown(struct ini_source *source, const char *section, const char *name)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf known = {0};
    const char *last = "";

    for (int i = 0; i < TB_CONFIG_KEY_COUNT; i++) {
        if (strcmp(tb_config_specs[i].section, section) == 0)
            tb_buf_addf(&known, "%s%s", known.len ? ", " : "", tb_config_specs[i].key);
    }
    if (known.len > 0) {
        tb_config_add_error(source->loader, "%s: unknown key %s; [%s] has %s", source->where, name,
                            section, tb_buf_str(&known).ptr);
        return;
    }
    for (int i = 0; i < TB_CONFIG_KEY_COUNT; i++) {
        if (strcmp(tb_config_specs[i].section, last) != 0)
            tb_buf_addf(&known, "%s[%s]", *last ? ", " : "", tb_config_specs[i].section);
        last = tb_config_specs[i].section;
    }
    for (int i = 0; i < TB_CONFIG_SECTION_COUNT; i++)
        tb_buf_addf(&known, ", [%s]", tb_config_section_name((enum tb_config_section)i));
    if (*section)
        tb_config_add_error(source->loader, "%s: %s is in an unknown section [%s]; there are %s",
                            source->where, name, section, tb_buf_str(&known).ptr);
    else
        tb_config_add_error(source->loader, "%s: %s is in no section; there are %s", source->where,
                            name, tb_buf_str(&known).ptr);
}

static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct ini_source *source = user;
    enum tb_config_key key = find_key(section, name);
    enum tb_config_section properties = tb_config_section_find(section);

    source->wants_value = false;
    if (source->in_broken_section)
        return 1;
    if (properties != TB_CONFIG_SECTION_COUNT) {
        tb_config_set_property(source->loader, properties, name, value, TB_CONFIG_FILE,
                               source->where);
    } else if (key == TB_CONFIG_KEY_COUNT) {
        report_unknown(source, section, name);
    } else if (source->seen[key]) {
        tb_config_add_error(source->loader, "%s: %s.%s is set in line %d already", source->where,
                            section, name, source->seen[key]);
    } else {
        source->seen[key] = source->line;
        tb_config_set(source->loader, key, value, TB_CONFIG_FILE, source->where);
    }
    return 1;
}

/* Checks what inih would ignore silently. False: inih must not see the line. */
static bool check_line(struct ini_source *source, const char *line, size_t len)
{
    size_t at = 0;

    while (at < len && strchr(" \t\r\n", line[at]))
        at++;
    if (at == len || line[at] == ';' || line[at] == '#')
        return true;
    if (len > LINE_MAX_BYTES - 2) {
        tb_config_add_error(source->loader, "%s: a line of more than %d bytes", source->where,
                            LINE_MAX_BYTES - 2);
        return false;
    }
    if (line[at] != '[') {
        source->wants_value = true;
        return true;
    }
    const char *close = memchr(line + at, ']', len - at);
    source->in_broken_section = !close;
    at = close ? (size_t)(close - line) + 1 : at;
    while (at < len && strchr(" \t\r\n", line[at]))
        at++;
    if (at < len && (!close || (line[at] != ';' && line[at] != '#'))) {
        tb_config_add_error(source->loader, "%s: a section is [name] alone on its line",
                            source->where);
        return close != NULL;
    }
    return true;
}

static void end_line(struct ini_source *source)
{
    if (source->wants_value)
        tb_config_add_error(source->loader, "%s: neither [section] nor key = value",
                            source->where);
    source->wants_value = false;
}

/* Reads a line as fgets does; inih calls it. */
static char *next_line(char *buffer, int size, void *stream)
{
    struct ini_source *source = stream;
    const char *newline;
    size_t len;

    end_line(source);
    if (source->at == source->end)
        return NULL;
    newline = memchr(source->at, '\n', (size_t)(source->end - source->at));
    len = (size_t)((newline ? newline + 1 : source->end) - source->at);
    source->line++;
    snprintf(source->where, sizeof source->where, "%s:%d", source->path, source->line);
    TB_ASSERT(size == LINE_MAX_BYTES);
    if (check_line(source, source->at, len) && len < LINE_MAX_BYTES) {
        memcpy(buffer, source->at, len);
        buffer[len] = '\0';
    } else {
        buffer[0] = '\0';
    }
    source->at += len;
    return buffer;
}

/* inih's settings are global variables; nothing else in the process uses inih. */
static int parse_ini(struct ini_source *source)
{
    ini_use_stack = false;
    ini_max_line = LINE_MAX_BYTES;
    ini_initial_alloc = LINE_MAX_BYTES;
    ini_allow_realloc = false;
    ini_allow_multiline = false; /* an indented line is not a continuation */
    return ini_parse_stream(next_line, source, take_pair, source);
}

static void read_open_file(struct tb_config_loader *loader, const char *path, int fd)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf text = {0};
    struct ini_source source = {.loader = loader, .path = path};
    int failed = tb_buf_add_file(&text, fd, FILE_MAX);

    if (!tb_buf_ok(&text)) {
        loader->out_of_memory = true;
        return;
    }
    if (failed) {
        tb_config_add_error(loader, "%s: cannot be read: %s", path, strerror(failed));
        return;
    }
    if (text.len > FILE_MAX) {
        tb_config_add_error(loader, "%s: more than %d bytes is no configuration", path, FILE_MAX);
        return;
    }
    if (text.len > 0 && memchr(text.data, '\0', text.len)) {
        tb_config_add_error(loader, "%s: holds a NUL byte, so it is not a text", path);
        return;
    }
    source.at = text.data;
    source.end = text.data + text.len;
    if (text.len >= 3 && memcmp(text.data, "\xEF\xBB\xBF", 3) == 0)
        source.at += 3; /* some editors write a byte order mark */
    if (parse_ini(&source) == -2)
        loader->out_of_memory = true;
}

void tb_config_read_file(struct tb_config_loader *loader, const char *path, bool may_be_missing)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        if (!may_be_missing || errno != ENOENT)
            tb_config_add_error(loader, "%s: cannot be opened: %s", path, strerror(errno));
        return;
    }
    read_open_file(loader, path, fd);
    close(fd);
}
