#include "base/error.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tb_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "tillbox: assertion failed: %s (%s:%d)\n", condition, file, line);
    abort();
}

enum tb_code tb_error_set(struct tb_error *err, enum tb_code code, const char *format, ...)
{
    va_list args;

    err->code = code;
    err->native = 0;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return code;
}

/* Appends ": more", cut to what fits. */
static void append(struct tb_error *err, const char *more)
{
    size_t len = strlen(err->text);

    snprintf(err->text + len, sizeof err->text - len, ": %s", more);
}

enum tb_code tb_error_errno(struct tb_error *err, enum tb_code code, int number,
                            const char *format, ...)
{
    char reason[96];
    va_list args;

    err->code = code;
    err->native = number;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    append(err, strerror_r(number, reason, sizeof reason));
    return code;
}

enum tb_code tb_error_wrap(struct tb_error *err, const char *format, ...)
{
    char inner[sizeof err->text];
    va_list args;

    memcpy(inner, err->text, sizeof inner);
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    append(err, inner);
    return err->code;
}

const char *tb_code_name(enum tb_code code)
{
    static const char *const names[] = {
        [TB_OK] = "ok",
        [TB_INVALID] = "invalid",
        [TB_NOT_FOUND] = "not-found",
        [TB_CONFLICT] = "conflict",
        [TB_BUSY] = "busy",
        [TB_UNAVAILABLE] = "unavailable",
        [TB_FULL] = "full",
        [TB_UNKNOWN] = "unknown",
        [TB_CORRUPT] = "corrupt",
        [TB_INTERNAL] = "internal",
    };

    return (size_t)code < sizeof names / sizeof names[0] ? names[code] : "?";
}
