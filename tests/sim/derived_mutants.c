#include "query/projection/plan_priv.h"
#include "sim/sim.h"

/* Mutants of what the product compares. The linker's --wrap sends the calls here. */

static enum sim_mutant mutant;

void derived_mutants_install(enum sim_mutant which)
{
    mutant = which;
}

bool derived_mutant_is(enum sim_mutant which)
{
    return mutant == which;
}

enum tb_code __real_tb_store_epoch_end(struct tb_store *store, const char *epoch,
                                       int64_t *ret_sequence, struct tb_error *err);
enum tb_code __wrap_tb_store_epoch_end(struct tb_store *store, const char *epoch,
                                       int64_t *ret_sequence, struct tb_error *err);
enum tb_code __real_tb_plan_judge_snapshot(const struct tb_planned_order *planned,
                                           const struct tb_event *snapshot, uint32_t digest,
                                           const char *epoch, enum tb_judgement *ret_judgement,
                                           struct tb_error *err);
enum tb_code __wrap_tb_plan_judge_snapshot(const struct tb_planned_order *planned,
                                           const struct tb_event *snapshot, uint32_t digest,
                                           const char *epoch, enum tb_judgement *ret_judgement,
                                           struct tb_error *err);

/* The store has had every event. */
enum tb_code __wrap_tb_store_epoch_end(struct tb_store *store, const char *epoch,
                                       int64_t *ret_sequence, struct tb_error *err)
{
    TB_TRY(__real_tb_store_epoch_end(store, epoch, ret_sequence, err));
    if (mutant == SIM_MUTANT_RESTORE_NOT_NOTICED)
        *ret_sequence = INT64_MAX;
    return TB_OK;
}

enum tb_code __wrap_tb_plan_judge_snapshot(const struct tb_planned_order *planned,
                                           const struct tb_event *snapshot, uint32_t digest,
                                           const char *epoch, enum tb_judgement *ret_judgement,
                                           struct tb_error *err)
{
    TB_TRY(__real_tb_plan_judge_snapshot(planned, snapshot, digest, epoch, ret_judgement, err));
    if (mutant == SIM_MUTANT_SNAPSHOT_IGNORES_VERSION)
        *ret_judgement = TB_JUDGED_NEXT;
    return TB_OK;
}
