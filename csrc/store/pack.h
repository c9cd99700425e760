/* Packed integers: the one code that all column segments are made of.
**
** A stream of `count` values is cut into blocks of 128. A block is one byte that says how many bits
** a value takes (0 to 56, or 64) and the values end to end, least significant bit first. Whoever
** knows the count knows where a stream ends, so streams follow each other without lengths.
**
** Unpacking checks every width against what the caller can hold and every block against the bytes
** left, and may look at, never use, up to 8 bytes behind a stream: a segment ends with a checksum
** of 8. Cost: about one load, shift and mask per value; with AVX2 per eight values of 25 bits. */
#ifndef WP_STORE_PACK_H
#define WP_STORE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WP_PACK_BLOCK 128u

/* Bytes that grow. After a failed allocation `failed` stays set and nothing is added. */
typedef struct wp_bytes {
    char *data;
    size_t size, capacity;
    bool failed;
} wp_bytes;

void wp_bytes_free(wp_bytes *bytes);
/* Room for `size` more bytes, to be filled by the caller; NULL when memory is short. */
char *wp_bytes_add(wp_bytes *bytes, size_t size);
void wp_bytes_add32(wp_bytes *bytes, uint32_t word); /* little-endian */
void wp_bytes_add64(wp_bytes *bytes, uint64_t word);

void wp_pack(wp_bytes *bytes, const uint64_t *values, size_t count);

/* Where unpacking stands; `end` is the last byte that may be used. */
typedef struct wp_unpacker {
    const char *at, *end;
} wp_unpacker;

/* False: the bytes are not a stream of so many values, or one takes more than bits_most <= 32 (or
** 64) bits. */
bool wp_unpack32(wp_unpacker *from, uint32_t *values, size_t count, unsigned bits_most);
bool wp_unpack64(wp_unpacker *from, uint64_t *values, size_t count);
/* The same into bytes, after `add` was added modulo 256; *high: the largest before. */
bool wp_unpack8(wp_unpacker *from, uint8_t *values, size_t count, uint32_t add, uint32_t *high);

/* Whether this machine has AVX2; functions for it exist where WP_AVX2 is defined. */
#if defined(__x86_64__) && defined(__GNUC__)
#    define WP_AVX2 1
#endif
bool wp_has_avx2(void);
/* Testing: decode as on a machine without it. */
extern bool wp_simd_off;

#endif
