#include "cli/output/amount.h"
#include "base/error.h"
#include <inttypes.h>
#include <stdio.h>

void tb_amount_format(int64_t minor, int digits, char ret_text[TB_AMOUNT_SIZE])
{
    /* Unsigned, because the lowest int64_t has no positive counterpart. */
    uint64_t whole = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    const char *sign = minor < 0 ? "-" : "";
    uint64_t unit = 1;

    TB_ASSERT(digits >= 0 && digits <= 9);
    for (int i = 0; i < digits; i++)
        unit *= 10;
    if (digits == 0)
        snprintf(ret_text, TB_AMOUNT_SIZE, "%s%" PRIu64, sign, whole);
    else
        snprintf(ret_text, TB_AMOUNT_SIZE, "%s%" PRIu64 ".%0*u", sign, whole / unit, digits,
                 (unsigned)(whole % unit));
}
