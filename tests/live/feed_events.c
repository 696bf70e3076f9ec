/* feed_events BROKERS [key=value ...]: sends the events of random orders, as edges would. First it
 * prints a line for each order: its id, the version that the view must have in the end, and its
 * document, separated by blanks. When all records are acknowledged it prints "sent N".
 *
 *   topic=order-events
 *   seed=1      seed of the random histories
 *   orders=100  number of orders
 *   node=till1  ce_source of the events
 *   rate=0      events a second; 0: no limit
 *   lost=0      % of orders that lose an event
 *   repeat=0    % of events after which older ones are sent again
 *   poison=0    records that are no events, in between
 *   from=0      % of the records, from the first on, that are left out */
#include "bridge/log/kafka/kafka.h"
#include "query/doubles/history.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ACKS_MAX 256
#define WAIT_MS 30000

struct feed {
    const char *brokers, *topic, *node;
    int64_t seed, orders, rate, lost, repeat, poison, from;
    struct tb_log_writer *writer;
    struct history history;
    char source[64], epoch[17];
    int64_t begin_us;
    size_t sent, acknowledged;
};

static void give_up(const char *what, const struct tb_error *err)
{
    fprintf(stderr, "feed_events: %s: %s\n", what, err->text);
    exit(EXIT_FAILURE);
}

static void read_args(struct feed *feed, int argc, char **argv)
{
    const struct {
        const char *key;
        int64_t *value;
    } numbers[] = {{"seed=", &feed->seed}, {"orders=", &feed->orders}, {"rate=", &feed->rate},
                   {"lost=", &feed->lost}, {"repeat=", &feed->repeat}, {"poison=", &feed->poison},
                   {"from=", &feed->from}};

    if (argc < 2) {
        fputs("usage: feed_events BROKERS [key=value ...]\n", stderr);
        exit(2);
    }
    *feed = (struct feed){
        .brokers = argv[1], .topic = "order-events", .node = "till1", .seed = 1, .orders = 100};
    for (int i = 2; i < argc; i++) {
        if (strncmp(argv[i], "node=", 5) == 0)
            feed->node = argv[i] + 5;
        if (strncmp(argv[i], "topic=", 6) == 0)
            feed->topic = argv[i] + 6;
        for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++) {
            size_t len = strlen(numbers[n].key);

            if (strncmp(argv[i], numbers[n].key, len) == 0)
                *numbers[n].value = strtoll(argv[i] + len, NULL, 10);
        }
    }
    snprintf(feed->source, sizeof feed->source, "/nodes/%s", feed->node);
    snprintf(feed->epoch, sizeof feed->epoch, "%016llx", (unsigned long long)feed->seed);
}

/* An event or a document with the feed's node instead of that of the history. */
static struct tb_str with_node(const struct feed *feed, struct tb_str made, struct tb_buf *text)
{
    static const char member[] = "\"node\":\"till1\"";
    const char *at = memmem(made.ptr, made.len, member, sizeof member - 1);
    const char *end = made.ptr + made.len;

    if (!at)
        return made;
    tb_buf_clear(text);
    tb_buf_add_str(text, (struct tb_str){made.ptr, (size_t)(at - made.ptr)});
    tb_buf_addf(text, "\"node\":\"%s\"", feed->node);
    at += sizeof member - 1;
    tb_buf_add_str(text, (struct tb_str){at, (size_t)(end - at)});
    TB_ASSERT(tb_buf_ok(text));
    return tb_buf_str(text);
}

static void print_expected(const struct feed *feed)
{
    struct tb_buf text = {0};

    for (size_t i = 0; i < feed->history.order_count; i++) {
        const struct history_order *order = &feed->history.orders[i];
        int64_t version = history_reachable(order);

        if (version > 0) {
            struct tb_str doc = with_node(feed, tb_str_of(order->docs[version].ptr), &text);

            printf("%s %lld %.*s\n", order->order.order_id, (long long)version, (int)doc.len,
                   doc.ptr);
        }
    }
    tb_buf_release(&text);
    fflush(stdout);
}

static void collect(struct feed *feed, int64_t wait_ms)
{
    struct tb_log_ack acks[ACKS_MAX];
    struct tb_error err = {0};
    size_t count = 0;

    if (feed->writer->ops->poll(feed->writer, wait_ms, acks, ACKS_MAX, &count, &err) != TB_OK)
        give_up("poll", &err);
    for (size_t i = 0; i < count; i++) {
        if (acks[i].code != TB_OK)
            give_up("a record is not acknowledged", &err);
    }
    feed->acknowledged += count;
}

static void send(struct feed *feed, const struct tb_record *record)
{
    int64_t until_ms = tb_clock_mono_ms(&tb_clock_system) + WAIT_MS;
    struct tb_error err = {0};

    for (;;) {
        enum tb_code code =
            feed->writer->ops->append(feed->writer, record, (int64_t)feed->sent, &err);

        if (code == TB_OK)
            break;
        if ((code != TB_BUSY && code != TB_UNAVAILABLE) ||
            tb_clock_mono_ms(&tb_clock_system) > until_ms)
            give_up("append", &err);
        collect(feed, 10);
    }
    feed->sent++;
    collect(feed, 0);
}

static void keep_pace(const struct feed *feed)
{
    while (feed->rate > 0) {
        int64_t due_us = feed->begin_us + (int64_t)feed->sent * 1000000 / feed->rate;
        int64_t left_us = due_us - tb_clock_mono_us(&tb_clock_system);
        struct timespec wait = {left_us / 1000000, left_us % 1000000 * 1000};

        if (left_us <= 0 || nanosleep(&wait, NULL) == 0 || errno != EINTR)
            return;
    }
}

/* Headers 2 and 6 of a history's record are ce_source and ce_epoch. */
static void send_event(struct feed *feed, const struct tb_record *made)
{
    struct tb_header headers[16];
    struct tb_record record = *made;
    struct tb_buf text = {0};

    TB_ASSERT(record.header_count <= 16);
    memcpy(headers, record.headers, record.header_count * sizeof *headers);
    headers[2].value = tb_str_of(feed->source);
    headers[6].value = tb_str_of(feed->epoch);
    record.headers = headers;
    record.value = with_node(feed, made->value, &text);
    keep_pace(feed);
    send(feed, &record);
    tb_buf_release(&text);
}

static void send_poison(struct feed *feed, int64_t number)
{
    char key[32];
    const struct tb_header headers[] = {{TB_STR("ce_type"), TB_STR("OrderPlaced.v2")}};
    struct tb_record record = {
        .value = TB_STR("{\"no\":\"order\""), .headers = headers, .header_count = 1};

    snprintf(key, sizeof key, "poison-%lld", (long long)number);
    record.key = tb_str_of(key);
    send(feed, &record);
}

static void send_all(struct feed *feed)
{
    size_t count = feed->history.record_count;
    size_t every = feed->poison > 0 ? count / (size_t)feed->poison + 1 : count + 1;
    int64_t poison = 0;

    feed->begin_us = tb_clock_mono_us(&tb_clock_system);
    for (size_t i = count * (size_t)feed->from / 100; i < count; i++) {
        send_event(feed, &feed->history.records[i]);
        if (i % every == every - 1)
            send_poison(feed, poison++);
    }
    while (poison < feed->poison)
        send_poison(feed, poison++);
    while (feed->acknowledged < feed->sent)
        collect(feed, WAIT_MS);
}

int main(int argc, char **argv)
{
    struct fake_random random;
    struct tb_error err = {0};
    struct feed feed;

    read_args(&feed, argc, argv);
    fake_random_init(&random, (uint64_t)feed.seed);
    history_make(&feed.history, &random,
                 &(struct history_options){(size_t)feed.orders, (int)feed.lost, (int)feed.repeat});
    print_expected(&feed);
    const struct tb_log_kafka_options options = {
        .brokers = feed.brokers, .client_id = "feed_events", .clock = &tb_clock_system};
    if (tb_log_kafka_writer(&options, feed.topic, &feed.writer, &err) != TB_OK)
        give_up("writer", &err);
    send_all(&feed);
    printf("sent %zu\n", feed.sent);
    feed.writer->ops->free(feed.writer);
    history_release(&feed.history);
    return EXIT_SUCCESS;
}
