#include "cli/engine/order_path.h"
#include "base/values/uuid.h"

int tb_order_path(const struct tb_cli *cli, const struct tb_args *args, const char *command,
                  const char *suffix, struct tb_buf *path)
{
    char order_id[TB_UUID_SIZE];

    if (!tb_uuid_parse(tb_str_of(args->operands[0]), order_id))
        return tb_cli_usage(cli, command,
                            "'%s' is no order id: that is a UUID such as "
                            "0193a6f2-7c1e-7a44-9d0b-2f6c1e5b8a10",
                            args->operands[0]);
    tb_buf_addf(path, "/orders/%s%s", order_id, suffix);
    return TB_EXIT_DONE;
}
