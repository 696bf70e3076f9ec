#include "api/http/strict_head.h"
#include <stddef.h>

void tb_strict_head_init(struct tb_strict_head *check, struct tb_head *head)
{
    *check = (struct tb_strict_head){.head = head};
    *head = (struct tb_head){0};
}

static void fail(struct tb_strict_head *check, const char *fault)
{
    if (!check->fault)
        check->fault = fault;
}

static void parse_length(struct tb_strict_head *check, struct tb_str value)
{
    if (!tb_digits_parse(value, 0, INT64_MAX, &check->head->content_length))
        fail(check, "Content-Length is not a number.");
}

static const char encoding_fault[] = "Transfer-Encoding must be chunked, once.";

static void parse_encoding(struct tb_strict_head *check, struct tb_str value)
{
    if (!tb_str_is(value, "chunked"))
        fail(check, encoding_fault);
    check->head->chunked = true;
}

static void parse_type(struct tb_strict_head *check, struct tb_str value)
{
    check->head->json = !check->repeated && tb_media_type_is_json(value);
}

static void parse_expect(struct tb_strict_head *check, struct tb_str value)
{
    check->head->expects_continue = tb_str_is(value, "100-continue");
}

/* A list may be spread over several fields of the same name. */
static void parse_connection(struct tb_strict_head *check, struct tb_str value)
{
    check->head->ws.upgrade |= tb_list_has(value, "upgrade");
}

static void parse_upgrade(struct tb_strict_head *check, struct tb_str value)
{
    check->head->ws.websocket |= tb_list_has(value, "websocket");
}

static void parse_protocol(struct tb_strict_head *check, struct tb_str value)
{
    check->head->ws.protocol |= tb_list_has(value, TB_WS_SUBPROTOCOL);
}

static const char condition_fault[] = "Idempotency-Key or If-Match is given twice.";
static const char ws_fault[] = "Origin or a field of the WebSocket handshake is given twice.";

#define TEXT(member) offsetof(struct tb_head, member), NULL
#define PARSED(function) 0, function
/* The fields that we read: of each we store the text, or call its parser. */
static const struct {
    struct tb_str name;
    const char *repeated_fault; /* NULL: may be repeated */
    size_t offset;
    void (*parse)(struct tb_strict_head *check, struct tb_str value);
} fields[] = {
    {TB_STR("host"), "More than one Host.", TEXT(host)},
    {TB_STR("content-length"), "More than one Content-Length.", PARSED(parse_length)},
    {TB_STR("transfer-encoding"), encoding_fault, PARSED(parse_encoding)},
    {TB_STR("content-type"), NULL, PARSED(parse_type)},
    {TB_STR("expect"), NULL, PARSED(parse_expect)},
    {TB_STR("idempotency-key"), condition_fault, TEXT(idempotency_key)},
    {TB_STR("if-match"), condition_fault, TEXT(if_match)},
    {TB_STR("origin"), ws_fault, TEXT(origin)},
    {TB_STR("traceparent"), NULL, TEXT(traceparent)},
    {TB_STR("connection"), NULL, PARSED(parse_connection)},
    {TB_STR("upgrade"), NULL, PARSED(parse_upgrade)},
    {TB_STR("sec-websocket-key"), ws_fault, TEXT(ws.key)},
    {TB_STR("sec-websocket-version"), ws_fault, TEXT(ws.version)},
    {TB_STR("sec-websocket-protocol"), NULL, PARSED(parse_protocol)},
};
enum { HOST = 1, LENGTH = 2, ENCODING = 4 }; /* bits in `seen` of the first three fields */

static void read_field(struct tb_strict_head *check, struct tb_str name, struct tb_str value)
{
    size_t i = 0;

    while (i < sizeof fields / sizeof *fields && !tb_str_eq_nocase(fields[i].name, name))
        i++;
    if (i == sizeof fields / sizeof *fields)
        return;
    check->repeated = check->seen & 1U << i;
    check->seen |= 1U << i;
    if (check->repeated && fields[i].repeated_fault)
        fail(check, fields[i].repeated_fault);
    if (fields[i].parse)
        fields[i].parse(check, value);
    else
        memcpy((char *)check->head + fields[i].offset, &value, sizeof value);
}

void tb_strict_head_field(struct tb_strict_head *check, struct tb_str name, struct tb_str value)
{
    /* The bytes from the first of the name to the last of the value, and CRLF. */
    check->size += (size_t)(value.ptr - name.ptr) + value.len + 2;
    if (!tb_is_token(name)) {
        fail(check, "A header field's name is malformed.");
        return;
    }
    if (!tb_is_field_value(value))
        fail(check, "A header field holds a control character.");
    while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
        value.len--;
    read_field(check, name, value);
}

const char *tb_strict_head_finish(struct tb_strict_head *check, struct tb_host_allowlist *hosts,
                                  const char *method, struct tb_str target, const char *version,
                                  size_t head_size)
{
    struct tb_head *head = check->head;
    size_t line = strlen(method) + 1 + target.len + 1 + strlen(version) + 2;

    head->size = head_size;
    head->http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    if ((check->seen & ENCODING) && (check->seen & LENGTH))
        fail(check, "Content-Length with Transfer-Encoding.");
    if ((check->seen & ENCODING) && head->http_1_0)
        fail(check, "Transfer-Encoding in HTTP/1.0.");
    if (!tb_is_token(tb_str_of(method)) || !tb_is_target(target))
        fail(check, "The request line is malformed.");
    if (!(check->seen & HOST) && !head->http_1_0)
        fail(check, "Host is missing.");
    if ((check->seen & HOST) && !tb_host_allowlist_allows(hosts, head->host))
        fail(check, "Host is not one this server answers to; see http.allowed_hosts.");
    if (line + check->size + 2 != head_size)
        fail(check, "The head holds folded lines, bare line feeds, NUL bytes or stray spaces.");
    if (head->chunked)
        head->content_length = -1;
    head->has_body = head->content_length != 0;
    return check->fault;
}
