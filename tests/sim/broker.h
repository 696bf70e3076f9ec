/* The simulated Kafka: log_kafka.h answered from memory. What the product has between itself and
 * librdkafka's calls (log_kafka_*.c) is not under it, but for the window (log_kafka_window.c),
 * which decides what may be sent when.
 *
 * A record that was acknowledged is kept for ever. A request is on its way for a while: whoever
 * sent it may give it up, or die, and it lands all the same, later. A group has generations, and
 * takes commits of the present one only.
 *
 *   broker.c         topics, clients, requests that land
 *   broker_writer.c  producers
 *   broker_group.c   who reads what
 *   broker_reader_priv.h  consumers
 *
 * Thread:  one; there is one broker at a time.
 * Memory:  records live until broker_release.
 * Errors:  as log_kafka.h.
 * Units:   virtual microseconds (_us); offsets. */
#pragma once
#include "bridge/log/kafka/kafka.h"
#include "bridge/log/kafka/writer/inflight.h"
#include "support/support.h"

#define BROKER_CLIENTS_MAX 8
#define BROKER_MEMBERS_MAX 32
/* So long a group waits for its members to give up what they read. */
#define BROKER_REBALANCE_US INT64_C(15000000)

enum broker_topic {
    BROKER_EVENTS,
    BROKER_DEAD_LETTERS,
    BROKER_STATUS,
    BROKER_READY,
    BROKER_TOPICS
};

struct broker_partition {
    struct tb_record *records; /* owned list; their bytes are the arena's */
    size_t count, cap;
};
struct broker_client {
    char id[64];
    bool cut; /* nothing gets through between it and the broker */
};
struct broker_writer;
struct broker_request {
    struct broker_request *next;
    struct broker_writer *writer; /* NULL: nobody waits for the answer */
    int client;
    enum broker_topic topic;
    struct tb_record record;
    size_t slot;
    bool appended; /* its answer is on its way */
    int64_t due_us;
};
struct broker_reader;
struct broker_member {
    int id, client;
    int64_t seen_us;
    bool joined; /* the generation that is being formed */
    bool assigned[TB_LOG_PARTITIONS];
};
struct broker_group {
    char name[64];
    enum broker_topic topic;
    int64_t committed[TB_LOG_PARTITIONS]; /* -1: none */
    struct broker_member members[BROKER_MEMBERS_MAX];
    size_t member_count;
    int last_id;
    unsigned generation;
    bool rebalancing; /* a generation is being formed */
    int64_t until_us;
};
/* What others want to know, and say. */
struct broker_hooks {
    void *ctx;
    void (*on_append)(void *ctx, enum broker_topic topic, const struct tb_record *record);
    void (*on_commit)(void *ctx, const struct broker_group *group, int32_t partition,
                       int64_t next);
    /* Takes the broker such a record? Whatever it is asked of one it always answers the same. */
    bool (*refuses)(void *ctx, enum broker_topic topic, const struct tb_record *record);
};
/* A mutant: what a port does wrong (sim.h). */
enum broker_mutant {
    BROKER_SOUND,
    BROKER_EARLY_ACKS,           /* acknowledged as soon as they are sent */
    BROKER_UNACKED_DEAD_LETTERS, /* the same, of dead letters, which are never sent */
    BROKER_FINAL_TIMEOUTS,       /* what nobody knows is said to be refused */
    BROKER_EARLY_COMMITS,        /* what is handed out is committed */
    BROKER_ZOMBIE_COMMITS        /* of partitions that were given up, too */
};
struct broker {
    struct fake_random random;
    int64_t *now_us;
    struct broker_hooks hooks;
    enum broker_mutant mutant;
    bool unreliable; /* requests and answers are lost, late, in doubt */
    bool down;
    int64_t session_us; /* who was not heard of for so long is no member any more */
    struct broker_partition topics[BROKER_TOPICS][TB_LOG_PARTITIONS];
    struct broker_client clients[BROKER_CLIENTS_MAX];
    size_t client_count;
    struct broker_group groups[2]; /* of the events, of the heartbeats */
    size_t group_count;
    struct broker_request *requests;
    struct broker_writer *writers;
    struct broker_reader *readers;
    struct tb_arena arena;
};

void broker_init(struct broker *broker, uint64_t seed, int64_t *now_us,
                 const struct broker_hooks *hooks);
void broker_release(struct broker *broker);         /* no writer or reader is left */
int64_t broker_due_us(const struct broker *broker); /* of what happens next by itself */
void broker_step(struct broker *broker);
/* By somebody else; returns the record as it is kept. */
const struct tb_record *broker_append(struct broker *broker, enum broker_topic topic,
                                      const struct tb_record *record);
int broker_client(struct broker *broker, const char *id); /* made when it is new */
/* Its process is gone without a word: what it opened is only to be freed. */
void broker_client_died(struct broker *broker, int client);
bool broker_is_idle(const struct broker *broker); /* nothing is under way */
bool broker_reaches(const struct broker *broker, int client);
int32_t broker_partitions(enum broker_topic topic);

/* What the parts share. */
extern struct broker *broker_now;
bool broker_chance(struct broker *broker, unsigned in); /* one in so many, while it is unreliable */
int64_t broker_delay_us(struct broker *broker, int64_t most_us);
enum broker_topic broker_topic_of(const char *name);
/* slot: TB_LOG_INFLIGHT_MAX when nobody waits for the answer. */
void broker_send(struct broker_writer *writer, enum broker_topic topic,
                 const struct tb_record *record, size_t slot);
void broker_abandon_requests(struct broker_writer *writer); /* whatever it has under way */
/* broker_writer.c: of a request of its; final: refused, itself or a neighbour. */
int broker_writer_client(const struct broker_writer *writer);
void broker_answered(struct broker_writer *writer, size_t slot, bool ok, bool final);
void broker_writers_died(struct broker *broker, int client);
/* broker_reader.c */
void broker_readers_died(struct broker *broker, int client);
bool broker_reader_behind(const struct tb_log_reader *reader); /* there is more to hand out */

/* broker_group.c. A member's word: it lives; NULL: the group does not know it (any more). */
struct broker_group *broker_group(struct broker *broker, const char *name,
                                  enum broker_topic topic);
int broker_group_join(struct broker *broker, struct broker_group *group, int client);
void broker_group_leave(struct broker *broker, struct broker_group *group, int member);
struct broker_member *broker_group_heartbeat(struct broker *broker, struct broker_group *group,
                                             int member);
/* False: it was refused, since the partition is not the member's. */
bool broker_group_commit(struct broker *broker, struct broker_group *group, int member,
                         unsigned generation, int32_t partition, int64_t next);
void broker_group_step(struct broker *broker, struct broker_group *group);
void broker_group_finish_rebalance(struct broker *broker, struct broker_group *group);
