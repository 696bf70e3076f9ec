/* Slices: a long list taken apart into its elements' texts without parsing it whole.
 *
 * A page of 500 orders may hold more values than one document is allowed to; each order alone
 * does not. Only brackets and strings are looked at: what is inside an element is checked when it
 * is parsed.
 *
 * Thread:  pure.
 * Memory:  slices borrow from the text.
 * Errors:  false: the text does not have that shape.
 * Units:   bytes. */
#pragma once
#include "base/mem/buf.h"

/* The value of a member of the object that the text holds; names with escapes do not match. */
bool tb_slice_member(struct tb_str object, const char *name, struct tb_str *ret_value);
/* The next element of an array's text; *cursor starts at 0. False behind the last. */
bool tb_slice_element(struct tb_str array, size_t *cursor, struct tb_str *ret_element);
