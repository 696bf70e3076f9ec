#include "query/projection/lineage.h"
#include <endian.h>
#include <string.h>

/* An entry: this bit, 30 bits of the version, 32 bits of the digest. Versions that lie so far
 * apart that their 30 bits are the same are never in one list. */
#define OVERRULED (INT64_C(1) << 62)
#define VERSION_BITS UINT64_C(0x3fffffff)

static int64_t pack(int64_t version, uint32_t digest)
{
    return (int64_t)(((uint64_t)version & VERSION_BITS) << 32 | digest);
}

static bool is_of_version(int64_t entry, int64_t version)
{
    return (((uint64_t)entry >> 32) & VERSION_BITS) == ((uint64_t)version & VERSION_BITS);
}

uint32_t tb_event_digest(struct tb_str event_id)
{
    uint64_t hash = event_id.len, word;

    if (event_id.len == 0)
        return 0;
    /* Every event is hashed, so this takes 8 bytes at once; in any machine's order of bytes. */
    for (size_t at = 0; at < event_id.len; at += sizeof word) {
        size_t left = event_id.len - at;

        word = 0;
        memcpy(&word, event_id.ptr + at, left < sizeof word ? left : sizeof word);
        hash = (hash ^ le64toh(word)) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
    }
    return (uint32_t)hash != 0 ? (uint32_t)hash : 1;
}

enum tb_lineage_match tb_lineage_find(const struct tb_lineage *lineage, int64_t version,
                                      uint32_t digest)
{
    enum tb_lineage_match match = TB_LINEAGE_UNKNOWN;

    if (digest == 0)
        return TB_LINEAGE_UNKNOWN;
    for (size_t i = 0; i < lineage->event_count; i++) {
        int64_t entry = lineage->events[i];

        if (!is_of_version(entry, version))
            continue;
        if ((uint32_t)entry == digest)
            return TB_LINEAGE_SAME;
        if (!(entry & OVERRULED))
            match = TB_LINEAGE_OTHER;
    }
    return match;
}

static void remove_entry(struct tb_lineage *lineage, size_t at)
{
    lineage->event_count--;
    memmove(&lineage->events[at], &lineage->events[at + 1],
            (lineage->event_count - at) * sizeof *lineage->events);
}

void tb_lineage_add(struct tb_lineage *lineage, int64_t version, uint32_t digest)
{
    int64_t entry = pack(version, digest);

    if (digest == 0)
        return;
    for (size_t i = 0; i < lineage->event_count; i++) {
        if ((lineage->events[i] & ~OVERRULED) == entry) {
            remove_entry(lineage, i);
            break;
        }
    }
    if (lineage->event_count == TB_LINEAGE_EVENTS_MAX)
        remove_entry(lineage, 0);
    lineage->events[lineage->event_count++] = entry;
}

/* If the snapshot's last event is one of the order's, what came before it is the same in both
 * histories, and what came after it is lost. Otherwise nobody knows where the two part. */
void tb_lineage_replace(struct tb_lineage *lineage, int64_t version, uint32_t digest)
{
    size_t shared = lineage->event_count;

    while (shared > 0 && lineage->events[shared - 1] != pack(version, digest))
        shared--;
    for (size_t i = shared; i < lineage->event_count; i++)
        lineage->events[i] |= OVERRULED;
    tb_lineage_add(lineage, version, digest);
    lineage->replaced++;
}

bool tb_lineage_has_epoch(const struct tb_lineage *lineage, const char *epoch)
{
    return epoch[0] != '\0' && strstr(lineage->earlier_epochs, epoch) != NULL;
}

void tb_lineage_add_epoch(struct tb_lineage *lineage, const char *epoch)
{
    char *list = lineage->earlier_epochs;
    size_t len = strlen(list);

    if (epoch[0] == '\0' || tb_lineage_has_epoch(lineage, epoch))
        return;
    if (len + 1 + TB_EPOCH_SIZE > sizeof lineage->earlier_epochs) {
        len -= TB_EPOCH_SIZE;
        memmove(list, list + TB_EPOCH_SIZE, len);
    }
    if (len > 0)
        list[len++] = ' ';
    memcpy(list + len, epoch, TB_EPOCH_SIZE);
}

void tb_lineage_remove_epoch(struct tb_lineage *lineage, const char *epoch)
{
    char *at = epoch[0] != '\0' ? strstr(lineage->earlier_epochs, epoch) : NULL;
    size_t left;

    if (!at)
        return;
    left = strlen(at);
    if (left >= TB_EPOCH_SIZE)
        memmove(at, at + TB_EPOCH_SIZE, left - TB_EPOCH_SIZE + 1);
    else /* the last one: the blank before it goes, too */
        at[at > lineage->earlier_epochs ? -1 : 0] = '\0';
}
