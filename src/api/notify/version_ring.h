/* News: orders that became visible, on their way from whoever applied them to all who wait.
 *
 * The last TB_NEWS_MAX are kept. Each reader has a place of its own among them; one that was
 * overtaken has missed some, and is told so: who brings news never waits for who reads them.
 *
 * Thread:  any.
 * Memory:  the news live in the struct; what is read is copied.
 * Errors:  none.
 * Units:   a place counts the news since the start. */
#pragma once
#include "base/values/uuid.h"
#include <pthread.h>
#include <stdatomic.h>

/* Eight of the consumer's largest batches: what comes while the api thread is busy with one. */
#define TB_NEWS_MAX 8192

struct tb_news {
    char order_id[TB_UUID_SIZE];
    int64_t version;
};
struct tb_newsreel {
    _Atomic uint64_t end; /* the next one's place */
    pthread_mutex_t lock; /* of what follows */
    struct tb_news ring[TB_NEWS_MAX];
};
void tb_news_init(struct tb_newsreel *reel);
void tb_news_release(struct tb_newsreel *reel);
void tb_news_add(struct tb_newsreel *reel, const char *order_id, int64_t version);
uint64_t tb_news_end(const struct tb_newsreel *reel);
/* Up to max from *place on, which moves behind them. False: some at *place are gone, nothing is
 * read, and *place is the end. */
TB_CHECKED bool tb_news_read(struct tb_newsreel *reel, uint64_t *place, struct tb_news *ret_news,
                             size_t max, size_t *ret_count);
