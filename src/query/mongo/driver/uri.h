/* What a URI of MongoDB may ask for. A concern that is weaker than ours is refused by the option's
 * name, because whoever wrote it would believe that it holds. Ours are set whatever the URI says:
 *  - reads from the primary with read concern majority. The URI's readPreference is for people's
 *    queries only (tb_mongo_client_prefer).
 *  - writes with w=majority and journal=true. wTimeoutMS may be short: a write that is not
 *    confirmed in time is made again. 0, which is for ever, becomes WRITE_CONCERN_MS.
 * retryWrites and retryReads may be off: whatever fails is repeated anyway.
 *
 * Thread:  any.
 * Memory:  the caller frees the URI.
 * Errors:  TB_INVALID. */
#pragma once
#include "query/mongo/driver/mongo.h"
#include <mongoc/mongoc.h>

/* Sets the time-outs that the URI does not have, too. ret_preferred: what the URI says about
 * reads; the caller destroys it. */
TB_CHECKED enum tb_code tb_mongo_parse_uri(const char *text, mongoc_uri_t **ret_uri,
                                           mongoc_read_prefs_t **ret_preferred,
                                           struct tb_error *err);
