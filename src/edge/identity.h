/* The identity of the data folder, made anew at each start and each stop (folder_identity.h).
 *
 * Thread:  the main thread, while nobody else uses the store.
 * Errors:  the store's or the folder's; the present identity stays. */
#pragma once
#include "store/recovery.h"

/* Makes a new identity of the folder, and binds the store to it: call it once people have been
 * told what the store was. */
TB_CHECKED enum tb_code tb_identity_renew(const char *folder, struct tb_store *store,
                                          const struct tb_random *random,
                                          struct tb_folder_identity *identity,
                                          struct tb_error *err);
