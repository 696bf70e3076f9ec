/* Commands: parses and checks the bodies of requests that place or change an order. Lists all
 * wrong fields of a body at once.
 *
 * Memory:  a parsed command borrows from its arena, which has a copy of every text.
 * Errors:  TB_INVALID: if the JSON is malformed, only err says why (HTTP: 400); wrong fields are
 *          listed (HTTP: 422). */
#pragma once
#include "order/order.h"

enum tb_command_type {
    TB_CMD_PLACE,
    TB_CMD_ADDRESS, /* PUT /orders/{id}/address */
    TB_CMD_LINES,
    TB_CMD_SHIP,
    TB_CMD_CANCEL,
    TB_CMD_COUNT
};
const char *tb_command_name(enum tb_command_type type); /* "place", "address", ... */

struct tb_command {
    enum tb_command_type type;
    char order_id[TB_UUID_SIZE]; /* PLACE: "" lets the store create one */
    bool has_expected_version;   /* If-Match */
    int64_t expected_version;
    /* PLACE */
    enum tb_order_kind kind;
    char currency[4];
    struct tb_str customer_id, source;
    bool has_placed_at;
    int64_t placed_at_ms;
    /* PLACE, LINES */
    struct tb_line *lines;
    size_t line_count;
    int64_t total_minor; /* PLACE only: tb_decide adds up the lines of LINES */
    /* PLACE, ADDRESS */
    bool has_address;
    struct tb_address address;
    struct tb_str reason; /* CANCEL; absent: none */
};

#define TB_FIELD_ERRORS_MAX 100 /* further errors are counted, but not listed */
struct tb_field_error {
    struct tb_str pointer; /* JSON pointer to the field, RFC 6901; "" is the whole body */
    struct tb_str detail;
};
struct tb_field_errors {
    struct tb_field_error list[TB_FIELD_ERRORS_MAX];
    size_t count; /* may exceed TB_FIELD_ERRORS_MAX */
};
/* Adds an error; copies both texts into the arena. */
void tb_field_error_add(struct tb_field_errors *errors, struct tb_arena *arena,
                        const char *pointer, const char *detail);

/* The settings of the node and the time, which decide what a body may contain. */
struct tb_command_context {
    const char *currency; /* of the node, for bodies without a currency */
    int64_t now_ms;       /* placedAt may be at most a day ahead */
    size_t lines_max;
    int depth_max;
};

/* Parses the body of a request; for SHIP and CANCEL it may be empty. Afterwards the caller sets
 * expected_version and, for all types but PLACE, order_id. */
TB_CHECKED enum tb_code tb_command_parse(enum tb_command_type type, struct tb_str body,
                                         const struct tb_command_context *context,
                                         struct tb_arena *arena, struct tb_command *ret_command,
                                         struct tb_field_errors *ret_errors, struct tb_error *err);
