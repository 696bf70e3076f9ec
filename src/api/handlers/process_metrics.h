/* Process: what the kernel knows of us, as Prometheus names it.
 *
 * Thread:  any.
 * Memory:  none.
 * Errors:  a figure that cannot be read is left out.
 * Units:   as the metrics' names say. */
#pragma once
#include "base/mem/buf.h"

void tb_process_metrics(struct tb_buf *out);
