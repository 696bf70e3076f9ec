/* Errors: a code that says what the caller may do, and a text that says what happened.
 *
 * Every function that can fail returns an enum tb_code and fills *err on failure. Library code
 * returns errors; only the mains report them.
 *
 * Memory:  struct tb_error lives on the caller's stack and owns nothing.
 * Errors:  err is never NULL; on failure ret_ results are untouched. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum tb_code {
    TB_OK,
    TB_INVALID,     /* the input is wrong; the same call never succeeds */
    TB_NOT_FOUND,   /* it does not exist */
    TB_CONFLICT,    /* the present state forbids it */
    TB_BUSY,        /* a bounded queue is full; definitely not done */
    TB_UNAVAILABLE, /* definitely not done; may succeed later */
    TB_FULL,        /* the disk is full; definitely not done */
    TB_UNKNOWN,     /* may be done or not: repeat it with the same idempotency key */
    TB_CORRUPT,     /* stored data contradicts itself */
    TB_INTERNAL,    /* a bug of ours, or out of memory and the like */
};

struct tb_error {
    enum tb_code code;
    int native; /* the SQLite result code or errno that caused it; 0: none */
    char text[240];
};

#define TB_CHECKED __attribute__((warn_unused_result))
#define TB_CLEANUP(fn) __attribute__((cleanup(fn)))
#define TB_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* Returns from the function if the call fails. Only TB_CLI_TRY does that, too. */
#define TB_TRY(call)                                                                              \
    do {                                                                                          \
        enum tb_code code_ = (call);                                                              \
        if (code_ != TB_OK)                                                                       \
            return code_;                                                                         \
    } while (0)

/* Aborts if the condition is false, in release builds too. Only for our own bugs, never for wrong
 * input. */
#define TB_ASSERT(condition)                                                                      \
    ((condition) ? (void)0 : tb_assert_failed(#condition, __FILE__, __LINE__))

_Noreturn void tb_assert_failed(const char *condition, const char *file, int line);

/* Sets *err and returns code: `return tb_error_set(...)`. */
enum tb_code tb_error_set(struct tb_error *err, enum tb_code code, const char *format, ...)
    TB_PRINTF(3, 4);
/* As tb_error_set; appends ": " and the text of errno. */
enum tb_code tb_error_errno(struct tb_error *err, enum tb_code code, int number,
                            const char *format, ...) TB_PRINTF(4, 5);
/* Puts context and ": " in front of the text; returns err->code. */
enum tb_code tb_error_wrap(struct tb_error *err, const char *format, ...) TB_PRINTF(2, 3);
const char *tb_code_name(enum tb_code code); /* "not-found"; never NULL */
