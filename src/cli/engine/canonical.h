/* Canonical JSON: the text that two JSON texts have in common if they say the same.
 *
 * Members are sorted by their keys, integers are written as the strict reader understands them
 * (-0 is 0), strings escape only what they must, and there are no blanks. Any other number stays
 * as it is written: a command has none. The text is never longer than the one it was made of.
 *
 * Errors:  TB_INVALID: not the JSON of base/json/json.h; TB_INTERNAL: out of memory. *out then has
 *          part of a text. */
#pragma once
#include "base/mem/buf.h"

TB_CHECKED enum tb_code tb_canonical_add(struct tb_buf *out, struct tb_str text,
                                         struct tb_error *err);
