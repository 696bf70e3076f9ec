#include "sim/sim.h"

/* A change of what is drawn makes other histories of them: then break again what they found, and
 * add the seeds that find it. */
const struct regression_seed regression_seeds[] = {
    /* Syncs that failed, and what was built on them. */
    {SIM_EMBEDDED, 36},
    {SIM_EMBEDDED, 107},
    {SIM_EMBEDDED, 134},
    {SIM_EMBEDDED, 157},
    {SIM_EMBEDDED, 861},
    {SIM_EMBEDDED, 992},
    /* The same, with opened files' WALs not written anew. */
    {SIM_EMBEDDED, 127},
    {SIM_EMBEDDED, 747},
    /* A heartbeat that landed behind the next one. */
    {SIM_CONNECTED, 1076},
    /* A partition that went and came back in one poll. */
    {SIM_CONNECTED, 6077},
    /* A late central that counts again what was refused for good. */
    {SIM_CONNECTED, 220},
    /* A feed of heartbeats that commits what it had before its partition went and came back. */
    {SIM_CONNECTED, 3534},
};
const size_t regression_seed_count = sizeof regression_seeds / sizeof *regression_seeds;
