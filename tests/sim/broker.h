/* A simulated Kafka: implements bridge/log/kafka/kafka.h in memory. Of the product's own code
 * between that header and librdkafka only the in-flight window (kafka/writer/inflight.c) runs in
 * the simulation: it decides which record may be sent while others are not answered yet.
 *
 * An acknowledged record is never lost. A request takes a while to arrive: if its sender abandons
 * it or dies, the broker may still append the record later. A consumer group has generations, and
 * the broker accepts commits from members of the current generation only.
 *
 *   broker.c                topics, clients, produce requests
 *   broker_copy.c           copies of its topics and of its groups' offsets
 *   broker_writer.c         producers
 *   broker_group.c          consumer groups: members, assignment, commits
 *   broker_reader.c         consumers: fetching
 *   broker_reader_group.c   consumers: membership of a group
 *
 * Thread:  one; there is one broker at a time.
 * Memory:  records live until broker_release.
 * Errors:  as kafka.h.
 * Units:   virtual microseconds (_us); offsets. */
#pragma once
#include "bridge/log/kafka/kafka.h"
#include "bridge/log/kafka/writer/inflight.h"
#include "support/support.h"

#define BROKER_CLIENTS_MAX 8
#define BROKER_MEMBERS_MAX 32
/* A rebalance waits this long for all members to rejoin; the others are then removed. */
#define BROKER_REBALANCE_US INT64_C(15000000)

enum broker_topic {
    BROKER_EVENTS,
    BROKER_DEAD_LETTERS,
    BROKER_STATUS,
    BROKER_READY,
    BROKER_TOPICS
};

struct broker_partition {
    struct tb_record *records; /* owned array; the bytes belong to the arena */
    size_t count, cap;
};
struct broker_client {
    char id[64];
    bool cut; /* the network between it and the broker is cut */
};
struct broker_writer;
struct broker_request {
    struct broker_request *next;
    struct broker_writer *writer; /* NULL: the sender has abandoned the request */
    int client;
    enum broker_topic topic;
    struct tb_record record;
    size_t slot;
    bool appended; /* the record is in the log; the answer is under way */
    int32_t partition;
    int64_t offset; /* where it is */
    int64_t due_us;
};
struct broker_reader;
struct broker_member {
    int id, client;
    int64_t seen_us;
    bool joined; /* has rejoined for the generation that is being formed */
    bool assigned[TEST_PARTITIONS];
};
struct broker_group {
    char name[64];
    enum broker_topic topic;
    int64_t committed[TEST_PARTITIONS]; /* -1: none */
    struct broker_member members[BROKER_MEMBERS_MAX];
    size_t member_count;
    int last_id;
    unsigned generation;
    bool rebalancing; /* a rebalance is under way */
    int64_t until_us;
};
/* Callbacks into the checkers. */
struct broker_hooks {
    void *ctx;
    void (*on_append)(void *ctx, enum broker_topic topic, const struct tb_record *record);
    void (*on_commit)(void *ctx, const struct broker_group *group, int32_t partition,
                      int64_t next);
    /* Whether the broker rejects the record for good. The answer for one record never changes. */
    bool (*refuses)(void *ctx, enum broker_topic topic, const struct tb_record *record);
};
/* Deliberate errors of the simulated client library (enum sim_mutant). */
enum broker_mutant {
    BROKER_SOUND,
    BROKER_EARLY_ACKS,           /* a record is acknowledged when it is sent */
    BROKER_UNACKED_DEAD_LETTERS, /* a dead letter is acknowledged and never sent */
    BROKER_FINAL_TIMEOUTS,       /* a timeout is reported as a refusal */
    BROKER_EARLY_COMMITS,        /* a batch is committed when it is polled */
    BROKER_ZOMBIE_COMMITS        /* a member commits partitions it has lost */
};
struct broker {
    struct fake_random random;
    int64_t *now_us;
    struct broker_hooks hooks;
    enum broker_mutant mutant;
    bool unreliable; /* requests and answers get lost, late, or end with an unknown outcome */
    bool down;
    bool is_restoring;  /* it is down because somebody restores it */
    int64_t session_us; /* a member that sends nothing for this long is removed */
    struct broker_partition topics[BROKER_TOPICS][TEST_PARTITIONS];
    struct broker_client clients[BROKER_CLIENTS_MAX];
    size_t client_count;
    struct broker_group groups[2]; /* one reads the events, one the heartbeats */
    size_t group_count;
    struct broker_request *requests;
    struct broker_writer *writers;
    struct broker_reader *readers;
    struct tb_arena arena;
};

/* What it had on its disk; zero: nothing. */
struct broker_copy {
    struct broker_partition topics[BROKER_TOPICS][TEST_PARTITIONS]; /* owned */
    int64_t committed[2][TEST_PARTITIONS];
    size_t group_count;
};

void broker_init(struct broker *broker, uint64_t seed, int64_t *now_us,
                 const struct broker_hooks *hooks);
void broker_release(struct broker *broker); /* all writers and readers must be freed before */
int64_t broker_due_us(const struct broker *broker); /* when the next request is due */
void broker_step(struct broker *broker);
/* Appends past all producers. Returns the stored record. */
const struct tb_record *broker_append(struct broker *broker, enum broker_topic topic,
                                      const struct tb_record *record);
/* What readers never get: a transaction's marker, or a record that was aborted. It has an offset
 * and nothing else. */
void broker_append_marker(struct broker *broker, enum broker_topic topic, int32_t partition);
bool broker_is_marker(const struct tb_record *record);
int broker_client(struct broker *broker, const char *id); /* adds it if the id is new */
/* The client's process was killed. Its writers and readers stop, but must still be freed. */
void broker_client_died(struct broker *broker, int client);
bool broker_is_idle(const struct broker *broker); /* no request and no rebalance is under way */
bool broker_reaches(const struct broker *broker, int client);
int32_t broker_partitions(enum broker_topic topic);

/* The connections break: what is appended and not answered has an unknown outcome. */
void broker_lose_answers(struct broker *broker);
/* broker_copy.c */
void broker_copy_make(const struct broker *broker, struct broker_copy *copy);
void broker_copy_release(struct broker_copy *copy);
void broker_put_back(struct broker *broker, const struct broker_copy *copy,
                     enum broker_topic topic, int32_t partition);
void broker_put_offsets_back(struct broker *broker, const struct broker_copy *copy);

/* Shared by the broker*.c files. */
extern struct broker *broker_now;
/* True once in `in` calls while unreliable, else never. */
bool broker_chance(struct broker *broker, unsigned in);
int64_t broker_delay_us(struct broker *broker, int64_t most_us);
enum broker_topic broker_topic_of(const char *name);
/* slot: where the writer waits for the answer; TB_LOG_INFLIGHT_MAX: it does not wait. */
void broker_send(struct broker_writer *writer, enum broker_topic topic,
                 const struct tb_record *record, size_t slot);
void broker_abandon_requests(struct broker_writer *writer); /* all requests of the writer */
/* broker_writer.c. final: the broker rejected this record or one sent with it. */
int broker_writer_client(const struct broker_writer *writer);
void broker_acknowledged(struct broker_writer *writer, size_t slot, int32_t partition,
                         int64_t offset);
void broker_answered(struct broker_writer *writer, size_t slot, bool final); /* not OK */
void broker_writers_died(struct broker *broker, int client);
/* broker_reader.c */
void broker_readers_died(struct broker *broker, int client);
/* There are records that it has not polled. */
bool broker_reader_behind(const struct tb_log_reader *reader);

/* broker_group.c. A heartbeat keeps the member alive; NULL: the group does not know it (any
 * more). */
struct broker_group *broker_group(struct broker *broker, const char *name,
                                  enum broker_topic topic);
/* Every member must give up its partitions and join again. */
void broker_group_rebalance(struct broker *broker, struct broker_group *group);
int broker_group_join(struct broker *broker, struct broker_group *group, int client);
void broker_group_leave(struct broker *broker, struct broker_group *group, int member);
struct broker_member *broker_group_heartbeat(struct broker *broker, struct broker_group *group,
                                             int member);
/* False: refused, because the partition is not the member's in this generation. */
bool broker_group_commit(struct broker *broker, struct broker_group *group, int member,
                         unsigned generation, int32_t partition, int64_t next);
void broker_group_step(struct broker *broker, struct broker_group *group);
void broker_group_finish_rebalance(struct broker *broker, struct broker_group *group);
