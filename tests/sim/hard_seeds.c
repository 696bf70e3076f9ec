#include "sim/sim.h"

/* A change of what is drawn makes other histories of them: then break again what they found, and
 * add the seeds that find it. */
const uint64_t sim_hard_seeds[] = {
    36,  107, 134, 157, 861, 992, /* syncs that failed, and what was built on them */
    127, 747,                     /* the same, with opened files' WALs not written anew */
};
const size_t sim_hard_seed_count = sizeof sim_hard_seeds / sizeof *sim_hard_seeds;
