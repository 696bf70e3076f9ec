#include "query/dead_letters/replay.h"
#include "bridge/log/headers.h"
#include "query/dead_letters/dlt_writer.h"

/* True: the header is of an earlier replay or dead letter, so the new record does not get it. */
static bool is_dropped(struct tb_str name)
{
    return tb_str_eq(name, TB_STR(TB_HEADER_REPLAY_OF)) ||
           tb_str_eq(name, TB_STR(TB_HEADER_REDRIVEN)) || tb_is_dlt_header(name);
}

static size_t copy_headers(const struct tb_dead_letter *letter, struct tb_header *headers)
{
    size_t count = 0;

    for (size_t i = 0; i < letter->header_count; i++) {
        if (!is_dropped(letter->headers[i].name))
            headers[count++] = letter->headers[i];
    }
    return count;
}

enum tb_code tb_replay_record(const struct tb_dead_letter *letter, const char *topic,
                              struct tb_str value, bool redriven, struct tb_arena *arena,
                              struct tb_record *ret_record, struct tb_error *err)
{
    struct tb_header *headers = tb_arena_array(arena, letter->header_count + 2, sizeof *headers);
    char id[TB_DEAD_LETTER_ID_SIZE];
    struct tb_str replay_of;
    size_t count = 0;

    if (!value.ptr && !letter->value.ptr)
        return tb_error_set(err, TB_CONFLICT,
                            "the letter has no value to send again: it had none, or one too large "
                            "to be kept; give one");
    tb_dead_letter_id_format(topic, letter->position, id);
    replay_of = tb_arena_copy(arena, tb_str_of(id));
    if (!headers || !replay_of.ptr)
        return tb_error_set(err, TB_INTERNAL, "out of memory sending a dead letter again");
    count = copy_headers(letter, headers);
    headers[count++] = (struct tb_header){TB_STR(TB_HEADER_REPLAY_OF), replay_of};
    if (redriven)
        headers[count++] = (struct tb_header){TB_STR(TB_HEADER_REDRIVEN), TB_STR("1")};
    TB_TRY(tb_headers_check(headers, count, err));
    *ret_record = (struct tb_record){
        .partition = letter->position.partition,
        .fixed_partition = true,
        .key = letter->key,
        .value = value.ptr ? value : letter->value,
        .headers = headers,
        .header_count = count,
    };
    return TB_OK;
}
