#include "base/config/config.h"
#include "cli/cli.h"

/* Options are explained from this column on; for a longer option, on the next line. */
#define HELP_COLUMN 34

const struct tb_option tb_common_options[] = {
    {"--url", "URL", "where it runs; else TILLBOX_URL, else " TB_URL_DEFAULT, NULL},
    {"--json", NULL, "print JSON, as the server sends it", NULL},
    {"--help", NULL, "this text", NULL},
    {"-h", NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL}};

static void print_option(const char *name, const char *value, const char *help, FILE *out)
{
    int len = fprintf(out, "  %s%s%s", name, value ? " " : "", value ? value : "");

    if (len >= HELP_COLUMN)
        len = fprintf(out, "\n") - 1;
    fprintf(out, "%*s%s\n", HELP_COLUMN - len, "", help);
}

static void print_options(const struct tb_option *options, FILE *out)
{
    for (; options && options->name; options++)
        if (options->help)
            print_option(options->name, options->value, options->help, out);
}

static void print_config_flags(FILE *out)
{
    print_option("--config", "FILE", "the configuration file", out);
    for (size_t i = 0; i < TB_CONFIG_KEY_COUNT; i++) {
        const struct tb_config_spec *spec = &tb_config_specs[i];

        if (spec->flag)
            print_option(spec->flag, spec->type == TB_CONFIG_BOOL ? NULL : "VALUE", spec->help,
                         out);
    }
}

/* Prints each line of a text with two blanks in front. */
static void print_indented(const char *text, FILE *out)
{
    while (*text) {
        size_t len = strcspn(text, "\n");

        fprintf(out, "  %.*s\n", (int)len, text);
        text += len + (text[len] == '\n');
    }
}

void tb_help_subcommand(const struct tb_subcommand *subcommand, FILE *out)
{
    fprintf(out, "Usage: tillbox %s%s%s%s\n\n%s.\n", subcommand->name,
            subcommand->operands ? " " : "", subcommand->operands ? subcommand->operands : "",
            subcommand->run_raw ? "" : " [options]", subcommand->summary);
    if (subcommand->details)
        fprintf(out, "%s\n", subcommand->details);
    fputs("\nOptions:\n", out);
    print_options(subcommand->options, out);
    if (subcommand->run_raw) {
        print_config_flags(out);
        print_option("--help", NULL, "this text", out);
    } else {
        print_options(tb_common_options, out);
    }
    fputs("\nExamples:\n", out);
    print_indented(subcommand->examples, out);
}

bool tb_in_group(const struct tb_subcommand *subcommand, const char *group)
{
    size_t len = strlen(group);

    return strncmp(subcommand->name, group, len) == 0 && subcommand->name[len] == ' ';
}

void tb_help_program(const struct tb_subcommand *const *subcommands, const char *group, FILE *out)
{
    if (group)
        fprintf(out, "Usage: tillbox %s COMMAND [options]\n\nCommands:\n", group);
    else
        fputs("Usage: tillbox COMMAND [options]\n\n"
              "Takes orders with the network down and gets every one of them to the centre.\n\n"
              "Commands:\n",
              out);
    for (; *subcommands; subcommands++)
        if (!group || tb_in_group(*subcommands, group))
            fprintf(out, "  %-16s %s\n", (*subcommands)->name, (*subcommands)->summary);
    fputs("\n`tillbox COMMAND --help` explains each, with examples.\n"
          "Exit status: 0 done, 1 refused or failed, 2 usage or configuration, 3 not reachable.\n",
          out);
}
