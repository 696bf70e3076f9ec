/* FNV-1a, 32 bits: spreads keys over buckets. Attackers can choose keys that collide. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define TB_FNV1A_START UINT32_C(2166136261)
/* Continues `hash` over the bytes; the first call passes TB_FNV1A_START. */
static inline uint32_t tb_fnv1a(uint32_t hash, const void *bytes, size_t len)
{
    const unsigned char *at = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ at[i]) * UINT32_C(16777619);
    return hash;
}
