/* Promise: each address except loopback has at most `max` connections, in whichever way the
 * address is written, and closed connections leave nothing behind. */
#include "api/http/address_limit.h"
#include "support/support.h"
#include <arpa/inet.h>

static struct sockaddr_storage address(const char *text)
{
    struct sockaddr_storage storage = {0};
    struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;

    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        storage.ss_family = AF_INET;
    } else {
        ck_assert_int_eq(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
        storage.ss_family = AF_INET6;
    }
    return storage;
}

static bool add(struct tb_address_limit *limit, const char *text,
                struct tb_address_count **ret_count)
{
    struct sockaddr_storage storage = address(text);

    return tb_address_limit_add(limit, (const struct sockaddr *)&storage, ret_count);
}

START_TEST(each_address_has_its_share)
{
    struct tb_address_limit limit = {.max = 2};
    struct tb_address_count *a[2], *b, *c, *none;

    ck_assert(add(&limit, "10.0.0.1", &a[0]));
    ck_assert(add(&limit, "::ffff:10.0.0.1", &a[1])); /* the same one, mapped */
    ck_assert(!add(&limit, "10.0.0.1", &none));
    ck_assert(add(&limit, "10.0.0.2", &b));
    ck_assert(add(&limit, "2001:db8::1", &c));
    tb_address_limit_remove(&limit, a[0]);
    ck_assert(add(&limit, "10.0.0.1", &a[0]));
    tb_address_limit_remove(&limit, a[0]);
    tb_address_limit_remove(&limit, a[1]);
    tb_address_limit_remove(&limit, b);
    tb_address_limit_remove(&limit, c);
    for (int i = 0; i < TB_ADDRESS_LIMIT_BUCKETS; i++)
        ck_assert_ptr_null(limit.buckets[i]); /* nothing is left of closed connections */
}
END_TEST

START_TEST(loopback_is_not_counted)
{
    static const char *const loopback[] = {"127.0.0.1", "127.255.0.1", "::1", "::ffff:127.0.0.1"};
    struct tb_address_limit limit = {.max = 1};
    struct tb_address_count *count = NULL;

    for (int i = 0; i < 12; i++) {
        ck_assert(add(&limit, loopback[i % 4], &count));
        ck_assert_ptr_null(count);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("address_limit");
    TCase *tc = tcase_create("address_limit");

    tcase_add_test(tc, each_address_has_its_share);
    tcase_add_test(tc, loopback_is_not_counted);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
