/* The note that makes `tillbox config` fail after the store was put back or copied, until a person
 * removes it: the file TB_RESTORED_NOTE in the data folder, with a line for each time.
 *
 * Thread:  any, one at a time.
 * Errors:  TB_UNAVAILABLE: it may not be written. */
#pragma once
#include "base/error.h"
#include <stdint.h>

TB_CHECKED enum tb_code tb_restored_note_add(const char *folder, int64_t now_ms,
                                             const char *reason, struct tb_error *err);
