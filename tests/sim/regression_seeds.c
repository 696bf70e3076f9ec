#include "sim/sim.h"

/* Seeds that once broke an invariant. When the random draws change, these seeds give other
 * histories: then break the code again as each comment says, and add the seeds that find it. */
const struct regression_seed regression_seeds[] = {
    /* A sync failed, and the product went on as if the data were durable. */
    {SIM_EMBEDDED, 36},
    {SIM_EMBEDDED, 107},
    {SIM_EMBEDDED, 134},
    {SIM_EMBEDDED, 157},
    {SIM_EMBEDDED, 861},
    {SIM_EMBEDDED, 992},
    /* The same, if the WAL of a reopened file is not rewritten. */
    {SIM_EMBEDDED, 127},
    {SIM_EMBEDDED, 747},
    /* A heartbeat was appended to the log after the next one. */
    {SIM_CONNECTED, 1076},
    /* A partition was revoked and assigned again within one poll. */
    {SIM_CONNECTED, 6077},
    /* A central that was late counted refused dead letters again. */
    {SIM_CONNECTED, 220},
    /* The heartbeat feed committed positions from before its partition was revoked and assigned
     * again. */
    {SIM_CONNECTED, 3534},
    /* A start ended before it had set an older log aside, and the next one took that log. */
    {SIM_CONNECTED, 539},
    {SIM_EMBEDDED, 653},
    /* A view with dead letters of a lost log came back beside an empty log, which gave the ids of
     * those dead letters a second time. */
    {SIM_EMBEDDED, 2267},
    /* The store was put back, and only snapshots showed how far it had been. */
    {SIM_EMBEDDED, 107813},
    {SIM_EMBEDDED, 112839},
    /* The broker was restored, and a till that could not look at once sent first: what it sent hid
     * what was lost. */
    {SIM_CONNECTED, 56},
    /* The same, while the till's disk was full. */
    {SIM_CONNECTED, 158},
    /* A batch was counted and not written, and the broker lost it: its orders counted twice. */
    {SIM_CONNECTED, 320},
};
const size_t regression_seed_count = sizeof regression_seeds / sizeof *regression_seeds;
