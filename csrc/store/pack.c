/* Packed integers; see pack.h. */
#include "store/pack.h"

#include "base/hash.h"
#include "base/memory.h"

void wp_bytes_free(wp_bytes *bytes)
{
    wp_free(bytes->data);
    *bytes = (wp_bytes){0};
}

char *wp_bytes_add(wp_bytes *bytes, size_t size)
{
    if (bytes->failed)
        return NULL;
    if (bytes->capacity - bytes->size < size) {
        size_t capacity = bytes->capacity < 256 ? 256 : bytes->capacity;
        while (capacity - bytes->size < size)
            capacity += capacity / 2;
        char *data = wp_realloc_array(bytes->data, capacity, 1);
        if (data == NULL) {
            bytes->failed = true;
            return NULL;
        }
        bytes->data = data;
        bytes->capacity = capacity;
    }
    char *at = bytes->data + bytes->size;
    bytes->size += size;
    return at;
}

static void store_word(char *at, uint64_t word, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (char)(unsigned char)(word >> (8 * i));
}

void wp_bytes_add32(wp_bytes *bytes, uint32_t word)
{
    char *at = wp_bytes_add(bytes, 4);
    if (at != NULL)
        store_word(at, word, 4);
}

void wp_bytes_add64(wp_bytes *bytes, uint64_t word)
{
    char *at = wp_bytes_add(bytes, 8);
    if (at != NULL)
        store_word(at, word, 8);
}

static unsigned width_of(const uint64_t *values, size_t count)
{
    uint64_t all = 0;
    for (size_t i = 0; i < count; i++)
        all |= values[i];
    unsigned width = all == 0 ? 0 : 64 - (unsigned)__builtin_clzll(all);
    return width > 56 ? 64 : width;
}

static void pack_block(wp_bytes *bytes, const uint64_t *values, size_t count)
{
    unsigned width = width_of(values, count);
    size_t size = (count * width + 7) / 8;
    char *at = wp_bytes_add(bytes, 1 + size);
    if (at == NULL)
        return;
    *at++ = (char)width;
    const char *end = at + size;
    uint64_t held = 0; /* bits not written yet; fewer than 8 between values */
    unsigned held_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (width == 64) {
            store_word(at, values[i], 8);
            at += 8;
            continue;
        }
        held |= values[i] << held_count; /* 7 + 56 bits at most */
        for (held_count += width; held_count >= 8; held_count -= 8, held >>= 8)
            *at++ = (char)(unsigned char)held;
    }
    if (at < end)
        *at = (char)(unsigned char)held;
}

void wp_pack(wp_bytes *bytes, const uint64_t *values, size_t count)
{
    for (size_t at = 0; at < count; at += WP_PACK_BLOCK)
        pack_block(bytes, values + at, count - at < WP_PACK_BLOCK ? count - at : WP_PACK_BLOCK);
}

/* Checks the head of a block; its width, or -1. Leaves `at` behind the width. */
static inline int open_block(wp_unpacker *from, size_t count, unsigned width_most)
{
    if (from->at >= from->end)
        return -1;
    unsigned width = (unsigned char)*from->at++;
    if (width > width_most || (width > 56 && width != 64) ||
        (size_t)(from->end - from->at) < (count * width + 7) / 8)
        return -1;
    return (int)width;
}

#define UNPACK_VALUES(type)                                                                        \
    uint64_t mask = (1ULL << width) - 1;                                                           \
    size_t bit = 0;                                                                                \
    for (size_t i = 0; i < n; i++, bit += width)                                                   \
    values[i] = (type)((wp_load64(from->at + (bit >> 3)) >> (bit & 7)) & mask)

bool wp_unpack32(wp_unpacker *from, uint32_t *values, size_t count)
{
    for (size_t n; count > 0; count -= n, values += n) {
        n = count < WP_PACK_BLOCK ? count : WP_PACK_BLOCK;
        int found = open_block(from, n, 32);
        if (found < 0)
            return false;
        unsigned width = (unsigned)found;
        UNPACK_VALUES(uint32_t);
        from->at += (n * width + 7) / 8;
    }
    return true;
}

bool wp_unpack64(wp_unpacker *from, uint64_t *values, size_t count)
{
    for (size_t n; count > 0; count -= n, values += n) {
        n = count < WP_PACK_BLOCK ? count : WP_PACK_BLOCK;
        int found = open_block(from, n, 64);
        if (found < 0)
            return false;
        unsigned width = (unsigned)found;
        if (width == 64) {
            for (size_t i = 0; i < n; i++)
                values[i] = wp_load64(from->at + 8 * i);
        } else {
            UNPACK_VALUES(uint64_t);
        }
        from->at += (n * width + 7) / 8;
    }
    return true;
}
