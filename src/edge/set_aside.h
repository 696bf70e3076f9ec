/* Renames a database file and its WAL, durably: FILE becomes FILE.set-aside-20261130T031500Z.
 *
 * Errors:  TB_UNAVAILABLE: a file could not be renamed. The database may then be without its WAL.
 */
#pragma once
#include "base/error.h"
#include <stdint.h>

/* Nothing may have the file open. ret_path: the database's new path; 4300 bytes. */
TB_CHECKED enum tb_code tb_set_aside(const char *path, int64_t now_ms, char *ret_path,
                                     struct tb_error *err);
