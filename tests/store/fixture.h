/* A store with its writer in a temporary folder, on the VFS that can fail (fault_vfs.h).
 *
 * Thread:  one thread, unless the test starts the writer's.
 * Errors:  failed check assertions, unless a function returns a code. */
#pragma once
#include "order/command.h"
#include "store/outbox.h"
#include "store/store_priv.h"
#include "store/writer.h"
#include "support/fault_vfs.h"
#include "support/support.h"

#define FIXTURE_WALL_MS INT64_C(1795424400000) /* 2026-11-23 */
#define FIXTURE_DAY_MS INT64_C(86400000)

struct fixture {
    char dir[128], path[160];
    struct fake_clock clock;
    struct fake_random random;
    int64_t disk_free;
    int committed; /* calls of the committed callback */
    int losses;    /* calls of the lost callback, and what the last one told */
    int64_t lost_sequence, lost_number;
    struct tb_store *store;   /* the writer's; NULL while closed */
    struct tb_writer *writer; /* NULL while closed */
    int64_t outbox_keep_ms;
    int64_t event_max_bytes;          /* 0: no limit */
    struct tb_folder_identity folder; /* not known, unless the test says so */
    struct tb_checkpoints checkpoints;
    bool connected; /* retention waits for the cursor to Kafka as well */
};

void fixture_init(struct fixture *f);
void fixture_release(struct fixture *f);
enum tb_code fixture_try_open(struct fixture *f, struct tb_error *err);
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f); /* NULL parts are fine */
/* Closes the store, ends a power cut and all planned failures, and opens it. */
void fixture_reopen(struct fixture *f);

/* A command with everything that its job borrows. */
struct request {
    struct tb_job job;
    struct tb_arena arena;
    struct tb_line lines[3];
    char key[64];
    int done;
};
/* order_id: NULL lets the store create one; key: NULL for none. `body` determines the fingerprint.
 */
void request_place(struct request *r, const char *order_id, const char *key, unsigned body);
void request_change(struct request *r, enum tb_command_type type, const char *order_id,
                    const char *key, unsigned body);
void request_release(struct request *r);

/* Posts and steps until it is done. */
void fixture_run(struct fixture *f, struct request *r);
/* Places an order that must succeed; its id goes to ret_id, which may be NULL. */
void fixture_place(struct fixture *f, char ret_id[TB_UUID_SIZE]);

/* Posts that Kafka has refused a row of the order, at at_ms. False: there is no room. */
bool fixture_park(struct fixture *f, const char *order_id, int64_t row, const char *reason,
                  int64_t at_ms);

/* Reads an integer by a connection of its own, whether the store is open or not. */
int64_t fixture_query(struct fixture *f, const char *sql);
int64_t fixture_query_file(const char *path,
                           const char *sql); /* the same from any database file */
/* Checks integrity and foreign keys, that numbers have no gaps, and that orders and outbox agree.
 */
void fixture_check_consistent(struct fixture *f);
