#include "api/api.h"

void tb_api_configure(struct tb_api_options *options, const struct tb_config *config)
{
    options->listen = tb_config_text(config, TB_HTTP_LISTEN);
    options->allowed_hosts = tb_config_text(config, TB_HTTP_ALLOWED_HOSTS);
    options->allowed_origins = tb_config_text(config, TB_HTTP_ALLOWED_ORIGINS);
    options->body_max = tb_config_int(config, TB_LIMITS_BODY);
    options->depth_max = tb_config_int(config, TB_LIMITS_DEPTH);
    options->header_max = tb_config_int(config, TB_LIMITS_HEADER);
    options->header_timeout_ms = tb_config_int(config, TB_LIMITS_HEADER_TIMEOUT);
    options->body_timeout_ms = tb_config_int(config, TB_LIMITS_BODY_TIMEOUT);
    options->connections_max = tb_config_int(config, TB_LIMITS_CONNECTIONS);
    options->connections_per_address_max =
        tb_config_int(config, TB_LIMITS_CONNECTIONS_PER_ADDRESS);
}
