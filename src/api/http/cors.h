/* Origins: web pages that may use this API. A browser says which page a request comes from, and
 * the till's own browser reaches a loopback address from any page there is (PITFALLS X4).
 *
 * Thread:  pure.
 * Memory:  none kept.
 * Errors:  none: what is not clearly allowed is foreign.
 * Units:   none. */
#pragma once
#include "api/http/fields.h"

enum tb_origin {
    TB_ORIGIN_NONE,   /* no browser, or none of its pages */
    TB_ORIGIN_SAME,   /* the page came from where the request goes: host and port */
    TB_ORIGIN_LISTED, /* the operator named it */
    TB_ORIGIN_FOREIGN
};
/* origin and host as the fields were sent; origin absent: none. listed: comma-separated, each as a
 * browser sends it: "https://shop.example:8443", or "null" for a page from a file. */
enum tb_origin tb_cors_classify(struct tb_str origin, struct tb_str host, const char *listed);
