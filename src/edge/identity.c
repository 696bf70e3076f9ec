#include "edge/identity.h"
#include <string.h>

/* A crash has left the identity that the store is bound to under the name of the next one. */
static enum tb_code finish_last(const char *folder, const struct tb_store *store,
                                struct tb_folder_identity *identity, struct tb_error *err)
{
    return identity->next[0] && strcmp(identity->next, tb_store_folder_id(store)) == 0
               ? tb_folder_identity_adopt(folder, identity, err)
               : TB_OK;
}

enum tb_code tb_identity_renew(const char *folder, struct tb_store *store,
                               const struct tb_random *random, struct tb_folder_identity *identity,
                               struct tb_error *err)
{
    TB_TRY(finish_last(folder, store, identity, err));
    /* One that was prepared before is not replaced: if binding to it has failed, the store may be
     * bound to it all the same. */
    if (!identity->next[0])
        TB_TRY(tb_folder_identity_prepare(folder, random, tb_store_last_number(store), identity,
                                          err));
    TB_TRY(tb_store_bind(store, identity->next, err));
    return tb_folder_identity_adopt(folder, identity, err);
}
