/* CORS: web pages that may use this API.
 *
 * A browser says which page a request comes from. It lets a page of any site send requests to the
 * till's own loopback address, so that commands of foreign pages must be refused here.
 *
 * Thread:  pure. */
#pragma once
#include "api/http/fields.h"

enum tb_origin {
    TB_ORIGIN_NONE,   /* the request comes from no web page */
    TB_ORIGIN_SAME,   /* from a page of the host and port that the request goes to */
    TB_ORIGIN_LISTED, /* from a page that the operator listed */
    TB_ORIGIN_FOREIGN /* from any other */
};
/* origin and host: the fields as sent. listed: comma-separated, each item as a browser sends it:
 * "https://shop.example:8443", or "null" for a page from a file. */
enum tb_origin tb_cors_classify(struct tb_str origin, struct tb_str host, const char *listed);
