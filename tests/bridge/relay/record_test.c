/* Promise: if a till accepts an order for its size, no broker refuses its event for its size.
 * Method: the longest possible headers, compared with TB_RELAY_RECORD_OVERHEAD. */
#include "bridge/relay/record.h"
#include "support/support.h"
#include <stdio.h>

/* At most so many bytes of Kafka's format belong to each header and to each record. */
#define FRAMING 16

/* All texts besides event and traceparent are as long as they can be. */
START_TEST(the_overhead_is_bounded)
{
    struct tb_relay_record room;
    char source[64];
    const struct tb_outbox_row row = {.row = INT64_MAX,
                                      .epoch = "0123456789abcdef",
                                      .sequence = INT64_MAX,
                                      .version = INT64_MAX,
                                      .event_id = TB_STR("01890000-0000-7000-8000-000000000001"),
                                      .order_id = TB_STR("01890000-0000-7000-8000-000000000002"),
                                      .type = TB_STR("OrderAddressChanged.v1"),
                                      .payload = TB_STR("{}"),
                                      .traceparent = TB_STR("x"),
                                      .occurred_at_ms = INT64_C(253402300799999)};
    size_t bytes = 6 * FRAMING;

    snprintf(source, sizeof source, "/nodes/%032d", 1);
    tb_relay_record_build(&room, tb_str_of(source), &row);
    bytes += room.record.key.len;
    for (size_t i = 0; i < room.record.header_count; i++)
        bytes += room.record.headers[i].name.len + room.record.headers[i].value.len + FRAMING;
    ck_assert_uint_lt(bytes, TB_RELAY_RECORD_OVERHEAD);
}
END_TEST

/* The key is the order, or the customer if the row has one. */
START_TEST(the_key_is_the_customer_if_there_is_one)
{
    struct tb_relay_record room;
    struct tb_outbox_row row = {.epoch = "0123456789abcdef",
                                .sequence = 1,
                                .version = 1,
                                .event_id = TB_STR("01890000-0000-7000-8000-000000000001"),
                                .order_id = TB_STR("01890000-0000-7000-8000-000000000002"),
                                .type = TB_STR("OrderShipped.v1"),
                                .payload = TB_STR("{}")};

    tb_relay_record_build(&room, TB_STR("/nodes/till1"), &row);
    ck_assert(tb_str_eq(room.record.key, row.order_id));
    row.customer_id = TB_STR("C-1001");
    tb_relay_record_build(&room, TB_STR("/nodes/till1"), &row);
    ck_assert(tb_str_eq(room.record.key, row.customer_id));
    ck_assert(tb_str_eq(tb_record_header(&room.record, "ce_subject"), row.order_id));
}
END_TEST

/* Readers rely on the headers' names, order and form, so no release may change them. */
START_TEST(the_headers_are_those_of_every_release)
{
    static const struct tb_header expected[] = {
        {TB_STR("ce_specversion"), TB_STR("1.0")},
        {TB_STR("ce_id"), TB_STR("01890000-0000-7000-8000-000000000001")},
        {TB_STR("ce_source"), TB_STR("/nodes/till1")},
        {TB_STR("ce_type"), TB_STR("OrderShipped.v1")},
        {TB_STR("ce_time"), TB_STR("2026-01-01T00:00:00.123Z")},
        {TB_STR("ce_subject"), TB_STR("01890000-0000-7000-8000-000000000002")},
        {TB_STR("ce_sequence"), TB_STR("00000000000000000042")},
        {TB_STR("ce_epoch"), TB_STR("0123456789abcdef")},
        {TB_STR("ce_orderversion"), TB_STR("3")},
        {TB_STR("content-type"), TB_STR("application/json")},
        {TB_STR("traceparent"), TB_STR("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")},
    };
    struct tb_relay_record room;
    const struct tb_outbox_row row = {.epoch = "0123456789abcdef",
                                      .sequence = 42,
                                      .version = 3,
                                      .event_id = TB_STR("01890000-0000-7000-8000-000000000001"),
                                      .order_id = TB_STR("01890000-0000-7000-8000-000000000002"),
                                      .type = TB_STR("OrderShipped.v1"),
                                      .payload = TB_STR("{}"),
                                      .traceparent = expected[10].value,
                                      .occurred_at_ms = INT64_C(1767225600123)};

    tb_relay_record_build(&room, TB_STR("/nodes/till1"), &row);
    ck_assert_uint_eq(room.record.header_count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < room.record.header_count; i++) {
        ck_assert(tb_str_eq(room.record.headers[i].name, expected[i].name));
        ck_assert_msg(tb_str_eq(room.record.headers[i].value, expected[i].value), "%s",
                      expected[i].name.ptr);
    }
}
END_TEST

START_TEST(a_snapshot_tells_how_far_its_store_is)
{
    struct tb_relay_record room;
    struct tb_outbox_row row = {.epoch = "0123456789abcdef",
                                .store_sequence = 42,
                                .version = 3,
                                .event_id = TB_STR("01890000-0000-7000-8000-000000000001"),
                                .order_id = TB_STR("01890000-0000-7000-8000-000000000002"),
                                .type = TB_STR("OrderSnapshot.v1"),
                                .payload = TB_STR("{}")};

    tb_relay_record_build(&room, TB_STR("/nodes/till1"), &row);
    ck_assert_ptr_null(tb_record_header(&room.record, "ce_sequence").ptr);
    ck_assert(tb_str_eq(tb_record_header(&room.record, "ce_storesequence"),
                        TB_STR("00000000000000000042")));
    row.store_sequence = 0; /* the epoch has no event yet */
    tb_relay_record_build(&room, TB_STR("/nodes/till1"), &row);
    ck_assert_ptr_null(tb_record_header(&room.record, "ce_storesequence").ptr);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("relay_record");
    TCase *tc = tcase_create("record");

    tcase_add_test(tc, the_overhead_is_bounded);
    tcase_add_test(tc, the_key_is_the_customer_if_there_is_one);
    tcase_add_test(tc, the_headers_are_those_of_every_release);
    tcase_add_test(tc, a_snapshot_tells_how_far_its_store_is);
    suite_add_tcase(suite, tc);
    return test_main(suite);
}
