/* What the checkers share. They read a node's files with SQL of their own.
 *
 *   check.c        opening, documents, what a reader sees
 *   check_files.c  store, log and view against the oracle
 *   check_final.c  after everything is mended: has everything arrived?
 *
 * Thread:  one.
 * Memory:  what sqlite3_column_* hands out.
 * Errors:  sim_violation.
 * Units:   as the tables. */
#pragma once
#include "sim/sim.h"
#include <sqlite3.h>

/* Nothing fails and nothing is counted between open and close. */
sqlite3 *check_open(struct sim_node *node, const char *path);
void check_close(struct sim_node *node, sqlite3 *db);
sqlite3_stmt *check_query(sqlite3 *db, const char *sql);
bool check_row(sqlite3_stmt *stmt);                     /* false: at its end, and finalized */
const char *check_text(sqlite3_stmt *stmt, int column); /* NULL is "" */
int64_t check_number(sqlite3 *db, const char *sql);     /* 0 without a row */

/* Every command and every poison carries a traceparent that says which it is. */
struct check_mark {
    int number;
    bool foreign;
};
bool check_mark(const void *bytes, int len, struct check_mark *ret_mark);

/* An order as somebody shows it, against the oracle's. Its columns, from `column` on: */
#define CHECK_DOCUMENT_COLUMNS                                                                    \
    " json_extract(doc, '$.orderId'), json_extract(doc, '$.status'),"                             \
    " json_extract(doc, '$.kind'), json_extract(doc, '$.currency'),"                              \
    " json_extract(doc, '$.orderNumber'), json_extract(doc, '$.lines[0].sku'),"                   \
    " json_extract(doc, '$.shippingAddress.line1'), json_extract(doc, '$.customerId'),"           \
    " json_extract(doc, '$.node'),"                                                               \
    " json_extract(doc, '$.version'), json_extract(doc, '$.totalMinor'),"                         \
    " json_array_length(doc, '$.lines'), json_extract(doc, '$.lines[0].quantity'),"               \
    " json_extract(doc, '$.lines[0].unitPriceMinor') "
struct check_document {
    const char *id, *status, *kind, *currency, *number, *sku, *address, *customer, *node;
    int64_t version, total_minor, line_count, quantity, price; /* of the first line */
};
struct check_document check_document_row(sqlite3_stmt *stmt, int column);
void check_document(const struct sim_node *node, const struct check_document *document, int order,
                    int64_t version);
/* Ends such poison as a dead letter? */
bool foreign_becomes_dead_letter(enum foreign_kind kind);

void check_store(struct sim_node *node, sqlite3 *db);
void check_log(struct sim_node *node, sqlite3 *db);
void check_cursor(struct sim_node *node, sqlite3 *store);
void check_view(struct sim_node *node, sqlite3 *db);
