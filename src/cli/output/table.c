#include "cli/output/table.h"

void tb_text_sanitize(struct tb_buf *out, struct tb_str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        bool c1 = byte == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0;

        if (c1) /* U+0080 to U+009F are control characters, too */
            i++;
        if (byte < 0x20 || byte == 0x7f || c1)
            tb_buf_addc(out, ' ');
        else
            tb_buf_addc(out, text.ptr[i]);
    }
}

/* Returns how many columns a character takes on a terminal: East Asian wide characters take two,
 * combining marks none. Rough, but it needs no locale. */
static size_t columns_of(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        size_t columns;
    } ranges[] = {
        {0x300, 0x36f, 0},   {0x1100, 0x115f, 2}, {0x200b, 0x200f, 0},   {0x2e80, 0xa4cf, 2},
        {0xac00, 0xd7a3, 2}, {0xf900, 0xfaff, 2}, {0xfe00, 0xfe0f, 0},   {0xfe30, 0xfe6f, 2},
        {0xff00, 0xff60, 2}, {0xffe0, 0xffe6, 2}, {0x1f300, 0x1faff, 2}, {0x20000, 0x3fffd, 2},
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return ranges[i].columns;
    return 1;
}

/* Moves *text (UTF-8) behind its first character. Returns the columns of that character. */
static size_t skip_character(const char **text)
{
    unsigned char lead = (unsigned char)*(*text)++;
    uint32_t c = lead < 0x80   ? lead
                 : lead < 0xe0 ? lead & 0x1f
                 : lead < 0xf0 ? lead & 0xf
                               : lead & 7;

    for (; ((unsigned char)**text & 0xc0) == 0x80; ++*text)
        c = (c << 6) | ((unsigned char)**text & 0x3f);
    return columns_of(c);
}

static size_t width_of(const char *text)
{
    size_t width = 0;

    while (*text)
        width += skip_character(&text);
    return width;
}

size_t tb_text_fit(const char *text, size_t columns)
{
    const char *end = text;

    for (const char *next = text; *next; end = next) {
        size_t width = skip_character(&next);

        if (width > columns)
            break;
        columns -= width;
    }
    return (size_t)(end - text);
}

void tb_table_init(struct tb_table *table, const struct tb_cli *cli,
                   const struct tb_column *columns, size_t column_count)
{
    TB_ASSERT(column_count <= TB_COLUMNS_MAX);
    *table = (struct tb_table){.columns = columns,
                               .column_count = column_count,
                               .terminal = cli->out_terminal,
                               .color = cli->color};
    for (size_t i = 0; i < column_count; i++)
        table->width[i] = strlen(columns[i].title);
}

void tb_table_cell(struct tb_table *table, struct tb_str text)
{
    size_t column = table->cell_count % table->column_count;
    size_t start = table->cells.len;

    tb_text_sanitize(&table->cells, text);
    if (tb_buf_ok(&table->cells) && table->cells.data) {
        size_t width = width_of(table->cells.data + start);

        if (width > table->width[column])
            table->width[column] = width;
    }
    tb_buf_addc(&table->cells, '\0');
    table->cell_count++;
}

void tb_table_cell_int(struct tb_table *table, int64_t value)
{
    TB_CLEANUP(tb_buf_release) struct tb_buf cell = {0};

    tb_buf_add_int(&cell, value);
    tb_table_cell(table, tb_buf_str(&cell));
}

static void print_cell(const struct tb_table *table, size_t column, const char *text, FILE *out)
{
    bool last = column + 1 == table->column_count;
    size_t width = width_of(text);
    int pad = (int)(width < table->width[column] ? table->width[column] - width : 0);

    if (!table->terminal)
        fprintf(out, "%s%c", text, last ? '\n' : '\t');
    else if (table->columns[column].right)
        fprintf(out, "%*s%s%s", pad, "", text, last ? "\n" : "  ");
    else
        fprintf(out, "%s%*s%s", text, last ? 0 : pad, "", last ? "\n" : "  ");
}

static void print_header(struct tb_table *table, FILE *out)
{
    if (table->color)
        fputs("\033[1m", out);
    for (size_t i = 0; i < table->column_count; i++)
        print_cell(table, i, table->columns[i].title, out);
    if (table->color)
        fputs("\033[0m", out);
    table->header_done = true;
}

void tb_table_flush(struct tb_table *table, FILE *out)
{
    const char *cell = tb_cli_text(&table->cells);

    if (table->terminal && !table->header_done)
        print_header(table, out);
    for (size_t i = 0; i < table->cell_count; i++) {
        print_cell(table, i % table->column_count, cell, out);
        cell += strlen(cell) + 1;
    }
    tb_buf_clear(&table->cells);
    table->cell_count = 0;
}

void tb_table_release(struct tb_table *table)
{
    tb_buf_release(&table->cells);
}
