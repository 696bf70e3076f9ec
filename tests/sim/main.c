/* Runs the simulation. Question: can any history of commands and faults break a promise? And do
 * the checkers work: do they catch every build that is broken on purpose?
 *
 *   tillbox-sim                       the seeds of every change, regression seeds first
 *   tillbox-sim --seeds 100000        more seeds
 *   tillbox-sim --seed 42 --verbose   one seed, event by event
 *   tillbox-sim --mutant all          the broken builds; each must be caught
 *   tillbox-sim --edition connected   one edition only; otherwise each seed chooses
 *
 * Exit status: 0 if no invariant was broken (with --mutant: if every mutant was caught), else 1.
 */
#include "sim/sim.h"
#include <getopt.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Sanitizers make a run about fifteen times slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SEEDS 100
#define FLAVOUR "with sanitizers: fewer seeds, no floor of states"
#else
#define SEEDS 1000
#define FLAVOUR "without sanitizers"
#endif
#define MUTANT_SEEDS 400
#define JOBS_MAX 16
/* One seed in so many runs twice. Both runs must have the same hash. */
#define REPEAT_EVERY 50
/* With at least FLOOR_SEEDS seeds each state must be reached FLOOR times. */
#define FLOOR_SEEDS 1000
#define FLOOR 10

struct shared {
    uint64_t counts[COVER_COUNT];
    uint64_t seed, runs;
};

struct plan {
    uint64_t start, seeds;
    int jobs;
    enum sim_edition edition;
    enum sim_mutant mutant;
    bool all_mutants, one, verbose;
    size_t regression_count; /* this many regression seeds run first */
};

static struct shared *new_shared(int count)
{
    void *memory = mmap(NULL, (size_t)count * sizeof(struct shared), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        abort();
    return memory;
}

static void run_one(struct regression_seed which, const struct plan *plan, struct shared *shared)
{
    const uint64_t seed = which.seed;
    const struct sim_options options = {
        .seed = seed, .edition = which.edition, .mutant = plan->mutant, .echo = plan->verbose};
    uint64_t hash;

    shared->seed = seed;
    hash = sim_run(&options);
    shared->runs++;
    if (plan->one)
        printf("seed %" PRIu64 ": no invariant broken, hash %016" PRIx64 "\n", seed, hash);
    if (seed % REPEAT_EVERY == 0 || plan->one) {
        uint64_t again = sim_run(&options);

        SIM_REQUIRE(again == hash,
                    "the same seed gave another run: %016" PRIx64 ", then %016" PRIx64, hash,
                    again);
    }
}

static struct regression_seed seed_of_run(const struct plan *plan, uint64_t run)
{
    if (run < plan->regression_count)
        return regression_seeds[run];
    return (struct regression_seed){plan->edition, plan->start + (run - plan->regression_count)};
}

/* A worker process: runs number worker, worker + jobs, ... */
static _Noreturn void work(const struct plan *plan, int worker, struct shared *shared)
{
    static char room[1 << 18];

    /* Buffered, so that the reports of two workers do not mix. */
    (void)setvbuf(stdout, room, _IOFBF, sizeof room);
    /* Every start of a node allocates megabytes: keep them, instead of giving them back. */
    mallopt(M_MMAP_THRESHOLD, 1 << 25);
    mallopt(M_TRIM_THRESHOLD, 1 << 28);
    sim_cover_into(shared->counts);
    sim_catch_aborts();
    for (uint64_t i = (uint64_t)worker; i < plan->regression_count + plan->seeds;
         i += (uint64_t)plan->jobs)
        run_one(seed_of_run(plan, i), plan, shared);
    fflush(stdout);
    _exit(0);
}

static bool report(const struct plan *plan, const struct shared *shared)
{
    uint64_t counts[COVER_COUNT] = {0}, runs = 0;
    bool enough = true;

    for (int job = 0; job < plan->jobs; job++) {
        runs += shared[job].runs;
        for (int i = 0; i < COVER_COUNT; i++)
            counts[i] += shared[job].counts[i];
    }
    printf("%" PRIu64 " seeds (%zu regression seeds, %" PRIu64 " to %" PRIu64
           "), one in %d run twice; %s\n",
           runs, plan->regression_count, plan->start, plan->start + plan->seeds - 1, REPEAT_EVERY,
           FLAVOUR);
    for (int i = 0; i < COVER_COUNT; i++) {
        const char *text = sim_cover_text((enum sim_cover)i);
        bool other = plan->edition == SIM_EMBEDDED && strncmp(text, "connected: ", 11) == 0;
        bool rare = counts[i] < FLOOR && SEEDS >= FLOOR_SEEDS && plan->seeds >= FLOOR_SEEDS;

        if (other)
            continue;
        printf("%10" PRIu64 "  %s%s\n", counts[i], text,
               rare ? "  <- too rare to say anything" : "");
        enough = enough && !rare;
    }
    return enough;
}

static int run_seeds(const struct plan *plan)
{
    struct shared *shared = new_shared(plan->jobs);
    bool ok = true;

    fflush(stdout);
    for (int job = 0; job < plan->jobs; job++) {
        pid_t pid = fork();

        if (pid < 0)
            abort();
        if (pid == 0)
            work(plan, job, &shared[job]);
    }
    for (int job = 0, status; job < plan->jobs; job++)
        ok = wait(&status) > 0 && status == 0 && ok;
    if (!plan->one)
        ok = report(plan, shared) && ok;
    return ok ? 0 : 1;
}

/* Copies the line that names the broken invariant. */
static void print_broken_invariant(FILE *output)
{
    char line[512];

    rewind(output);
    while (fgets(line, sizeof line, output))
        if (strncmp(line, "BROKEN INVARIANT: ", 18) == 0)
            printf("    %s", line + 18);
}

static bool catch_mutant(struct plan plan, enum sim_mutant mutant)
{
    struct shared *shared = new_shared(1);
    FILE *output = tmpfile();
    int status = 0;
    pid_t pid;

    if (!output)
        abort();
    plan.mutant = mutant;
    plan.jobs = 1;
    if (plan.edition == SIM_DRAWN) /* the edition that has the broken part */
        plan.edition = mutant < SIM_MUTANT_KAFKA_EARLY_CURSOR ? SIM_EMBEDDED : SIM_CONNECTED;
    fflush(stdout);
    pid = fork();
    if (pid < 0)
        abort();
    if (pid == 0) {
        dup2(fileno(output), STDOUT_FILENO);
        dup2(fileno(output), STDERR_FILENO);
        work(&plan, 0, shared);
    }
    if (waitpid(pid, &status, 0) != pid)
        abort();
    bool caught = WIFEXITED(status) && WEXITSTATUS(status) == SIM_EXIT_VIOLATION;
    if (caught)
        printf("%-25s caught by run %" PRIu64 " (seed %" PRIu64 ")\n", sim_mutant_name(mutant),
               shared->runs + 1, shared->seed);
    else
        printf("%-25s NOT CAUGHT by %" PRIu64 " seeds\n", sim_mutant_name(mutant), shared->runs);
    print_broken_invariant(output);
    fclose(output);
    return caught;
}

static int run_mutants(const struct plan *plan)
{
    bool ok = true;

    for (int i = 1; i < SIM_MUTANT_COUNT; i++)
        if (plan->all_mutants || (int)plan->mutant == i)
            ok = catch_mutant(*plan, (enum sim_mutant)i) && ok;
    return ok ? 0 : 1;
}

static bool parse_mutant(const char *name, struct plan *plan)
{
    plan->all_mutants = strcmp(name, "all") == 0;
    for (int i = 1; i < SIM_MUTANT_COUNT; i++)
        if (strcmp(name, sim_mutant_name((enum sim_mutant)i)) == 0)
            plan->mutant = (enum sim_mutant)i;
    return plan->all_mutants || plan->mutant != SIM_MUTANT_NONE;
}

static bool parse_edition(const char *name, struct plan *plan)
{
    for (int i = SIM_EMBEDDED; i <= SIM_CONNECTED; i++)
        if (strcmp(name, sim_edition_name((enum sim_edition)i)) == 0)
            plan->edition = (enum sim_edition)i;
    return plan->edition != SIM_DRAWN;
}

static int usage(FILE *out, int status)
{
    fputs("Usage: tillbox-sim [--seeds N] [--start N] [--jobs N] [--mutant NAME|all]\n"
          "                   [--edition embedded|connected]\n"
          "       tillbox-sim [--mutant NAME] [--edition ...] --seed N [--verbose]\nMutants:",
          out);
    for (int i = 1; i < SIM_MUTANT_COUNT; i++)
        fprintf(out, " %s", sim_mutant_name((enum sim_mutant)i));
    fputc('\n', out);
    return status;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, 'o'},
                                            {"seeds", required_argument, NULL, 'n'},
                                            {"start", required_argument, NULL, 's'},
                                            {"jobs", required_argument, NULL, 'j'},
                                            {"mutant", required_argument, NULL, 'm'},
                                            {"edition", required_argument, NULL, 'e'},
                                            {"verbose", no_argument, NULL, 'v'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct plan plan = {.start = 1, .jobs = 2};
    struct tb_error err = {0};
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'o' || option == 's')
            plan.start = strtoull(optarg, NULL, 10);
        if (option == 'o')
            plan.one = true;
        if (option == 'n')
            plan.seeds = strtoull(optarg, NULL, 10);
        if (option == 'j')
            plan.jobs = (int)strtol(optarg, NULL, 10);
        plan.verbose = plan.verbose || option == 'v';
        if (option == 'h')
            return usage(stdout, 0);
        if (option == '?' || (option == 'm' && !parse_mutant(optarg, &plan)) ||
            (option == 'e' && !parse_edition(optarg, &plan)))
            return usage(stderr, 2);
    }
    if (optind < argc || plan.jobs < 1 || plan.jobs > JOBS_MAX ||
        tb_zone_set("UTC", &err) != TB_OK)
        return usage(stderr, 2);
    bool mutants = plan.all_mutants || plan.mutant != SIM_MUTANT_NONE;
    if (plan.one) {
        plan.seeds = 1;
        plan.jobs = 1;
        return run_seeds(&plan);
    }
    if (plan.seeds == 0)
        plan.seeds = mutants ? MUTANT_SEEDS : SEEDS;
    if (!mutants && plan.edition == SIM_DRAWN)
        plan.regression_count = regression_seed_count;
    return mutants ? run_mutants(&plan) : run_seeds(&plan);
}
