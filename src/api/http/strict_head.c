#include "api/http/strict_head.h"

void tb_strict_head_init(struct tb_strict_head *guard, struct tb_head *head)
{
    *guard = (struct tb_strict_head){.head = head};
    *head = (struct tb_head){0};
}

static void fail(struct tb_strict_head *guard, const char *fault)
{
    if (guard->fault == NULL)
        guard->fault = fault;
}

static void take_length(struct tb_strict_head *guard, struct tb_str value)
{
    if (guard->length_count++ > 0)
        fail(guard, "More than one Content-Length.");
    else if (!tb_digits_parse(value, 0, INT64_MAX, &guard->head->content_length))
        fail(guard, "Content-Length is not a number.");
}

static void take_encoding(struct tb_strict_head *guard, struct tb_str value)
{
    if (guard->encoding_count++ > 0 || !tb_str_is(value, "chunked"))
        fail(guard, "Transfer-Encoding must be chunked, once.");
    guard->head->chunked = true;
}

static void take_ws(struct tb_strict_head *guard, struct tb_str name, struct tb_str value)
{
    struct tb_ws_handshake *ws = &guard->head->ws;

    if (tb_str_is(name, "sec-websocket-key")) {
        guard->ws_key_count++;
        ws->key = value;
    } else if (tb_str_is(name, "sec-websocket-version")) {
        guard->ws_version_count++;
        ws->version = value;
    } else if (tb_str_is(name, "sec-websocket-protocol")) {
        ws->protocol = ws->protocol || tb_list_has(value, TB_WS_SUBPROTOCOL);
    }
}

/* By first letter, since most fields are none of ours. */
static void take(struct tb_strict_head *guard, struct tb_str name, struct tb_str value)
{
    struct tb_head *head = guard->head;

    switch (name.ptr[0] | 0x20) {
    case 'c':
        if (tb_str_is(name, "content-length"))
            take_length(guard, value);
        else if (tb_str_is(name, "content-type")) {
            head->json = guard->type_count == 0 && tb_media_type_is_json(value);
            guard->type_count++;
        } else if (tb_str_is(name, "connection")) {
            head->ws.upgrade = head->ws.upgrade || tb_list_has(value, "upgrade");
        }
        break;
    case 'e':
        if (tb_str_is(name, "expect"))
            head->expects_continue = tb_str_is(value, "100-continue");
        break;
    case 'h':
        if (tb_str_is(name, "host")) {
            guard->host_count++;
            head->host = value;
        }
        break;
    case 'i':
        if (tb_str_is(name, "idempotency-key")) {
            guard->key_count++;
            head->idempotency_key = value;
        } else if (tb_str_is(name, "if-match")) {
            guard->match_count++;
            head->if_match = value;
        }
        break;
    case 'o':
        if (tb_str_is(name, "origin")) {
            guard->origin_count++;
            head->origin = value;
        }
        break;
    case 's':
        take_ws(guard, name, value);
        break;
    case 't':
        if (tb_str_is(name, "transfer-encoding"))
            take_encoding(guard, value);
        else if (tb_str_is(name, "traceparent"))
            head->traceparent = value;
        break;
    case 'u':
        if (tb_str_is(name, "upgrade"))
            head->ws.websocket = head->ws.websocket || tb_list_has(value, "websocket");
        break;
    default:
        break;
    }
}

void tb_strict_head_field(struct tb_strict_head *guard, struct tb_str name, struct tb_str value)
{
    /* From the name's first byte to the value's last, and the CRLF. */
    guard->size += (size_t)(value.ptr - name.ptr) + value.len + 2;
    if (!tb_is_token(name)) {
        fail(guard, "A header field's name is malformed.");
        return;
    }
    if (!tb_is_field_value(value))
        fail(guard, "A header field holds a control character.");
    while (value.len > 0 && (value.ptr[value.len - 1] == ' ' || value.ptr[value.len - 1] == '\t'))
        value.len--;
    take(guard, name, value);
}

static void judge_host(struct tb_strict_head *guard, struct tb_host_allowlist *hosts)
{
    if (guard->host_count > 1)
        fail(guard, "More than one Host.");
    else if (guard->host_count == 0 && !guard->head->http_1_0)
        fail(guard, "Host is missing.");
    else if (guard->host_count == 1 && !tb_host_allowlist_allows(hosts, guard->head->host))
        fail(guard, "Host is not one this server answers to; see http.allowed_hosts.");
}

const char *tb_strict_head_finish(struct tb_strict_head *guard, struct tb_host_allowlist *hosts,
                                  const char *method, struct tb_str target, const char *version,
                                  size_t head_size)
{
    struct tb_head *head = guard->head;
    size_t line = strlen(method) + 1 + target.len + 1 + strlen(version) + 2;

    head->size = head_size;
    head->http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    if (guard->encoding_count > 0 && guard->length_count > 0)
        fail(guard, "Content-Length with Transfer-Encoding.");
    if (guard->encoding_count > 0 && head->http_1_0)
        fail(guard, "Transfer-Encoding in HTTP/1.0.");
    if (!tb_is_token(tb_str_of(method)) || !tb_is_target(target))
        fail(guard, "The request line is malformed.");
    if (guard->key_count > 1 || guard->match_count > 1)
        fail(guard, "Idempotency-Key or If-Match is given twice.");
    if (guard->origin_count > 1 || guard->ws_key_count > 1 || guard->ws_version_count > 1)
        fail(guard, "Origin or a field of the WebSocket handshake is given twice.");
    judge_host(guard, hosts);
    if (line + guard->size + 2 != head_size)
        fail(guard, "The head holds folded lines, bare line feeds, NUL bytes or stray spaces.");
    if (head->chunked)
        head->content_length = -1;
    head->has_body = head->content_length != 0;
    return guard->fault;
}
