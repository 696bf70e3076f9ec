/* Shared by the checkers. They read a node's files with SQL of their own, not the product's
 * (but for check_self.c).
 *
 *   check_connection.c  opens files, runs queries
 *   check.c         compares documents, judges reads
 *   check_files.c   compares store, log and view with the oracle
 *   check_recovery.c    what was made anew, and whether it had to be
 *   check_final.c   at the end: has everything arrived at the node?
 *   check_self.c    at the end: does the node serve what its store holds?
 *
 * Thread:  one.
 * Memory:  texts belong to the statement.
 * Errors:  sim_violation.
 * Units:   as the tables. */
#pragma once
#include "sim/sim.h"
#include <sqlite3.h>

/* Between open and close the disk injects no faults and counts no calls. */
sqlite3 *check_open(struct sim_node *node, const char *path);
void check_close(struct sim_node *node);
/* Parameters may be bound; they stay bound for the next use. */
sqlite3_stmt *check_query(sqlite3 *db, const char *sql);
bool check_row(sqlite3_stmt *stmt); /* false: no more rows; the statement must not be used */
void check_end(sqlite3_stmt *stmt); /* earlier than after the last row */
const char *check_text(sqlite3_stmt *stmt, int column); /* NULL becomes "" */
int64_t check_number(sqlite3 *db, const char *sql);     /* 0 if there is no row */

/* Each command and each foreign record carries a traceparent with its number. */
struct check_mark {
    int number;
    bool foreign;
};
bool check_mark(const void *bytes, int len, struct check_mark *ret_mark);

/* Columns of an order document, in the order of struct check_document: */
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
    int64_t version, total_minor, line_count, quantity,
        price; /* quantity and price: of the first line */
};
struct check_document check_document_row(sqlite3_stmt *stmt, int column);
void check_document(const struct sim_node *node, const struct check_document *document, int order,
                    int64_t version);
/* Whether the consumer must make a dead letter of such a record. */
bool foreign_becomes_dead_letter(enum foreign_kind kind);

void check_store(struct sim_node *node, sqlite3 *db);
void check_log(struct sim_node *node, sqlite3 *db);
void check_cursor(struct sim_node *node, sqlite3 *store);
void check_self(struct sim_node *node);
void check_view(struct sim_node *node, sqlite3 *db);
