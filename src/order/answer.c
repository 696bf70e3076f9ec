#include "order/answer.h"

/* A full queue or a failing disk may work within a second; a full disk waits for a person. */
#define RETRY_AFTER_BUSY_S 1
#define RETRY_AFTER_FULL_S 30

void tb_answer_release(struct tb_answer *answer)
{
    tb_buf_release(&answer->body);
    *answer = (struct tb_answer){0};
}

static const struct {
    int status;
    const char *reason;
} reasons[] = {
    /* clang-format off */
    {101, "Switching Protocols"}, {200, "OK"}, {201, "Created"}, {202, "Accepted"},
    {204, "No Content"}, {304, "Not Modified"}, {400, "Bad Request"}, {401, "Unauthorized"},
    {403, "Forbidden"}, {404, "Not Found"}, {405, "Method Not Allowed"},
    {406, "Not Acceptable"}, {408, "Request Timeout"}, {409, "Conflict"},
    {411, "Length Required"}, {412, "Precondition Failed"}, {413, "Content Too Large"},
    {414, "URI Too Long"}, {415, "Unsupported Media Type"}, {417, "Expectation Failed"},
    {421, "Misdirected Request"}, {422, "Unprocessable Content"}, {426, "Upgrade Required"},
    {428, "Precondition Required"}, {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"}, {500, "Internal Server Error"},
    {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
    {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
    /* clang-format on */
};

const char *tb_http_reason(int status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "";
}

/* Clears the answer, but keeps the memory of its body, and opens the object in the body. */
static void begin(struct tb_answer *answer, int status)
{
    struct tb_buf body = answer->body;

    tb_buf_clear(&body);
    *answer = (struct tb_answer){.status = status, .body = body};
    tb_buf_addc(&answer->body, '{');
}

/* Closes the object. If memory ran out, replaces the answer by 503 without a body. */
static void end(struct tb_answer *answer)
{
    tb_buf_addc(&answer->body, '}');
    if (tb_buf_ok(&answer->body))
        return;
    tb_answer_release(answer);
    answer->status = 503;
    answer->retry_after_s = RETRY_AFTER_BUSY_S;
}

static void add_placed(struct tb_buf *out, const struct tb_order *order)
{
    tb_json_member_str(out, "kind", tb_str_of(tb_order_kind_name(order->kind)));
    tb_json_member_int(out, "totalMinor", order->total_minor);
    tb_json_member_str(out, "currency", tb_str_of(order->currency));
    tb_json_member_time(out, "placedAt", order->placed_at_ms);
    tb_json_member_str(out, "businessDate", tb_str_of(order->business_date));
    tb_json_member_str(out, "delivery", TB_STR("pending"));
    tb_json_member_key(out, "message");
    tb_buf_adds(out, "\"Your order #");
    /* Node names have only letters, digits and hyphens: nothing to escape. */
    tb_buf_adds(out, order->order_number);
    tb_buf_adds(out, " has been placed. It will appear in your order history shortly.\"");
}

void tb_answer_success(struct tb_answer *answer, enum tb_command_type type,
                       const struct tb_order *order)
{
    struct tb_buf *out = &answer->body;

    begin(answer, type == TB_CMD_PLACE ? 201 : 200);
    answer->version = order->version;
    tb_json_member_str(out, "orderId", tb_str_of(order->order_id));
    if (type == TB_CMD_PLACE) {
        memcpy(answer->order_id, order->order_id, sizeof answer->order_id);
        tb_json_member_str(out, "orderNumber", tb_str_of(order->order_number));
    }
    tb_json_member_int(out, "version", order->version);
    tb_json_member_str(out, "status", tb_str_of(tb_order_status_name(order->status)));
    if (type == TB_CMD_PLACE)
        add_placed(out, order);
    else if (type == TB_CMD_LINES)
        tb_json_member_int(out, "totalMinor", order->total_minor);
    end(answer);
}

static void add_errors(struct tb_buf *out, const struct tb_field_errors *errors)
{
    size_t listed = errors->count < TB_FIELD_ERRORS_MAX ? errors->count : TB_FIELD_ERRORS_MAX;

    tb_json_member_key(out, "errors");
    tb_buf_addc(out, '[');
    for (size_t i = 0; i < listed; i++) {
        tb_buf_adds(out, i > 0 ? ",{" : "{");
        tb_json_member_str(out, "pointer", errors->list[i].pointer);
        tb_json_member_str(out, "detail", errors->list[i].detail);
        tb_buf_addc(out, '}');
    }
    tb_buf_addc(out, ']');
}

void tb_answer_problem(struct tb_answer *answer, int status, const char *detail,
                       const struct tb_field_errors *errors)
{
    struct tb_buf *out = &answer->body;

    begin(answer, status);
    /* RFC 9457, 4.2.1: with about:blank the title is the reason phrase of the status. */
    tb_json_member_str(out, "type", TB_STR("about:blank"));
    tb_json_member_str(out, "title", tb_str_of(tb_http_reason(status)));
    tb_json_member_int(out, "status", status);
    tb_json_member_str(out, "detail", tb_str_of(detail));
    if (errors && errors->count > 0)
        add_errors(out, errors);
    end(answer);
}

void tb_answer_from_error(struct tb_answer *answer, const struct tb_error *err,
                          const struct tb_field_errors *errors)
{
    static const struct {
        int status, retry_after_s;
    } by_code[] = {
        [TB_OK] = {500, 0},
        [TB_INVALID] = {400, 0},
        [TB_NOT_FOUND] = {404, 0},
        [TB_CONFLICT] = {409, 0},
        [TB_BUSY] = {503, RETRY_AFTER_BUSY_S},
        [TB_UNAVAILABLE] = {503, RETRY_AFTER_BUSY_S},
        [TB_FULL] = {507, RETRY_AFTER_FULL_S},
        [TB_UNKNOWN] = {503, RETRY_AFTER_BUSY_S},
        [TB_CORRUPT] = {500, 0},
        [TB_INTERNAL] = {500, 0},
    };
    int status = by_code[err->code].status;

    if (err->code == TB_INVALID && errors && errors->count > 0)
        status = 422;
    else if (err->code == TB_CONFLICT && err->native)
        status = err->native;
    tb_answer_problem(answer, status, err->text, status == 422 ? errors : NULL);
    if (answer->status == status) /* else memory ran out: tb_answer_problem has set both */
        answer->retry_after_s = by_code[err->code].retry_after_s;
}
