#include "query/dead_letters/replay.h"
#include "query/dead_letters/dlt_writer.h"

/* True: the header is of an earlier replay or dead letter, so the new record does not get it. */
static bool is_dropped(struct tb_str name)
{
    return tb_str_eq(name, TB_STR(TB_HEADER_REPLAY_OF)) ||
           tb_str_eq(name, TB_STR(TB_HEADER_REDRIVEN)) || tb_is_dlt_header(name);
}

static enum tb_code copy_headers(const struct tb_dead_letter *letter, struct tb_header *headers,
                                 size_t max, size_t *ret_count, struct tb_error *err)
{
    size_t count = 0;

    for (size_t i = 0; i < letter->header_count; i++) {
        if (is_dropped(letter->headers[i].name))
            continue;
        if (count == max)
            return tb_error_set(err, TB_INVALID,
                                "the record has more headers than the log takes with ours");
        headers[count++] = letter->headers[i];
    }
    *ret_count = count;
    return TB_OK;
}

enum tb_code tb_replay_record(const struct tb_dead_letter *letter, const char *topic,
                              struct tb_str value, bool redriven, struct tb_arena *arena,
                              struct tb_record *ret_record, struct tb_error *err)
{
    struct tb_header *headers = tb_arena_array(arena, TB_LOG_HEADERS_MAX, sizeof *headers);
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
    TB_TRY(copy_headers(letter, headers, TB_LOG_HEADERS_MAX - 2, &count, err));
    headers[count++] = (struct tb_header){TB_STR(TB_HEADER_REPLAY_OF), replay_of};
    if (redriven)
        headers[count++] = (struct tb_header){TB_STR(TB_HEADER_REDRIVEN), TB_STR("1")};
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
