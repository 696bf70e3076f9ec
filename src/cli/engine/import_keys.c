#include "cli/engine/import_keys.h"
#include "base/values/sha256.h"
#include "base/values/uuid.h"
#include <inttypes.h>
#include <stdio.h>

void tb_import_keys_init(struct tb_import_keys *keys, size_t lines_max)
{
    struct tb_uuid_gen ids = {.clock = &tb_clock_system, .random = &tb_random_system};
    char nobody[TB_UUID_SIZE];

    *keys = (struct tb_import_keys){
        .lines = {.max = lines_max}, .orders = {.max = lines_max}, .ask_end = TB_IMPORT_ASK_AHEAD};
    tb_uuid_new(&ids, nobody);
    snprintf(keys->ask_path, sizeof keys->ask_path, "/orders/%s/cancel", nobody);
}

void tb_import_keys_release(struct tb_import_keys *keys)
{
    tb_occurrences_release(&keys->lines);
    tb_occurrences_release(&keys->orders);
}

/* Counts the text once more. */
static enum tb_code count_text(struct tb_occurrences *occurrences, struct tb_str text,
                               char ret_hex[TB_SHA256_HEX_SIZE], uint32_t *ret_count,
                               struct tb_error *err)
{
    uint8_t digest[TB_SHA256_SIZE];

    tb_sha256(text, digest);
    tb_sha256_format(digest, ret_hex);
    return tb_occurrences_add(occurrences, digest, ret_count, err);
}

enum tb_code tb_import_key_make(struct tb_import_keys *keys, struct tb_str line,
                                struct tb_str order, int64_t number, struct tb_import_key *key,
                                struct tb_error *err)
{
    char hex[TB_SHA256_HEX_SIZE];
    uint32_t count = 0;

    TB_TRY(count_text(&keys->lines, line, hex, &count, err));
    snprintf(key->texts[TB_KEY_OF_NUMBER], TB_IMPORT_KEY_SIZE, "import-%" PRId64 "-%s", number,
             hex);
    snprintf(key->texts[TB_KEY_OF_LINE], TB_IMPORT_KEY_SIZE, "import-%s-%" PRIu32, hex, count);
    TB_TRY(count_text(&keys->orders, order, hex, &count, err));
    snprintf(key->texts[TB_KEY_OF_ORDER], TB_IMPORT_KEY_SIZE, "import-order-%s-%" PRIu32, hex,
             count);
    keys->asked_all = keys->asked_all || key->index >= keys->ask_end;
    key->kind = keys->asked_all ? TB_KEY_OF_LINE : TB_KEY_OF_NUMBER;
    key->asks = true;
    return TB_OK;
}

/* A build with numbers has come as far as this line, and may have gone on. */
static void ask_behind(struct tb_import_keys *keys, const struct tb_import_key *key)
{
    if (keys->ask_end < key->index + 1 + TB_IMPORT_ASK_AHEAD)
        keys->ask_end = key->index + 1 + TB_IMPORT_ASK_AHEAD;
}

bool tb_import_key_answer(struct tb_import_keys *keys, struct tb_import_key *key, int status)
{
    if (status != 404 && status != 422)
        return false;
    if (status == 404)
        key->kind++;
    else if (key->kind == TB_KEY_OF_NUMBER)
        ask_behind(keys, key);
    /* To a key that was used the server repeats its answer. */
    key->asks = status == 404 && key->kind != TB_KEY_OF_ORDER;
    return true;
}

void tb_import_key_done(struct tb_import_keys *keys, const struct tb_import_key *key,
                        bool accepted)
{
    if (accepted && key->kind != TB_KEY_OF_NUMBER)
        keys->accepted_anew++;
    /* Such a build may have refused it, too, and have gone on. */
    if (!accepted && keys->accepted_anew < TB_IMPORT_WINDOW)
        ask_behind(keys, key);
}
