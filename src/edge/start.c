#include "base/diag/diag.h"
#include "edge/wiring.h"
#include <unistd.h>

/* Tries of a start, and the wait after the first; each wait is twice the one before. */
#define START_TRIES 6
#define START_WAIT_MS 100

static enum tb_code note_damage(struct edge *edge, enum tb_code code, const struct tb_error *err)
{
    if (code == TB_CORRUPT && edge->damage.folder)
        tb_damage_note(&edge->damage, err);
    return code;
}

/* After closing; what the daemon has put into `shared` stays. */
static void forget_parts(struct edge *edge)
{
    edge->shared.append_queue = NULL;
    edge->shared.consumer = NULL;
    edge->shared.rebuild = NULL;
    edge->shared.api = NULL;
    memset((char *)edge + sizeof edge->shared, 0, sizeof *edge - sizeof edge->shared);
}

/* A file that cannot be read once may be read with the next try; log and view are given up only if
 * it cannot be read for seconds. */
enum tb_code tb_edge_open(void *ctx, struct tb_error *err)
{
    struct edge *edge = ctx;
    int64_t wait_ms = START_WAIT_MS;
    enum tb_code code;

    for (int try = 1; try < START_TRIES; try++, wait_ms *= 2) {
        code = tb_edge_open_parts(edge, err);
        if (code != TB_UNAVAILABLE && code != TB_BUSY && code != TB_UNKNOWN)
            return note_damage(edge, code, err);
        tb_diag(TB_DIAG_WARN, "edge.start", "%s; trying again", err->text);
        tb_edge_close(edge);
        forget_parts(edge);
        *err = (struct tb_error){0};
        usleep((useconds_t)(wait_ms * 1000));
    }
    edge->gives_up_reading = true;
    code = tb_edge_open_parts(edge, err);
    return note_damage(edge, code, err);
}
