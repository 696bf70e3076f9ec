#include "sim/sim.h"

const uint64_t sim_hard_seeds[] = {36, 107, 134, 157, 861, 992};
const size_t sim_hard_seed_count = sizeof sim_hard_seeds / sizeof *sim_hard_seeds;
