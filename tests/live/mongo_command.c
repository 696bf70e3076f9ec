/* mongo_command URI DATABASE JSON: runs one command, such as {"find":"orders","filter":{}}, and
 * prints the documents of the answer (all documents of a cursor), each as a line of relaxed
 * extended JSON. Exit status 1 if the server refuses the command. */
#include <mongoc/mongoc.h>
#include <stdio.h>
#include <stdlib.h>

static void print(const bson_t *document)
{
    char *text = bson_as_relaxed_extended_json(document, NULL);

    puts(text);
    bson_free(text);
}

static int run(mongoc_client_t *client, const char *database, const bson_t *command)
{
    bson_error_t error = {0};
    bson_t reply;
    int status = EXIT_SUCCESS;

    if (!mongoc_client_command_simple(client, database, command, NULL, &reply, &error)) {
        fprintf(stderr, "mongo_command: %s\n", error.message);
        status = EXIT_FAILURE;
    } else if (bson_has_field(&reply, "cursor")) {
        mongoc_cursor_t *cursor =
            mongoc_cursor_new_from_command_reply_with_opts(client, bson_copy(&reply), NULL);
        const bson_t *document;

        while (mongoc_cursor_next(cursor, &document))
            print(document);
        if (mongoc_cursor_error(cursor, &error)) {
            fprintf(stderr, "mongo_command: %s\n", error.message);
            status = EXIT_FAILURE;
        }
        mongoc_cursor_destroy(cursor);
    } else {
        print(&reply);
    }
    bson_destroy(&reply);
    return status;
}

int main(int argc, char **argv)
{
    bson_error_t error = {0};
    mongoc_client_t *client = NULL;
    bson_t *command = NULL;
    int status = EXIT_FAILURE;

    mongoc_init();
    if (argc == 4) {
        client = mongoc_client_new(argv[1]);
        command = bson_new_from_json((const uint8_t *)argv[3], -1, &error);
    }
    if (client && command)
        status = run(client, argv[2], command);
    else
        fprintf(stderr, "usage: mongo_command URI DATABASE JSON %s\n", error.message);
    bson_destroy(command);
    mongoc_client_destroy(client);
    mongoc_cleanup();
    return status;
}
