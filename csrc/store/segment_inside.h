/* What the files that make and read segments share; private to store/segment*.c. */
#ifndef WP_STORE_SEGMENT_INSIDE_H
#define WP_STORE_SEGMENT_INSIDE_H

#include "base/hash.h"
#include "store/checksum.h"
#include "store/segment.h"

#define WP__HEAD_SIZE  8u
#define WP__CHECK_SIZE 8u

/* First and last 8 bytes of a segment that is being made. */
void wp__segment_start(wp_bytes *out, char kind, unsigned encoding, size_t count);
void wp__segment_finish(wp_bytes *out, uint64_t id);
wp_status wp__segment_corrupt(wp_error *err, const char *what);

/* The payload behind `skip` bytes of its own head. */
static inline wp_unpacker wp__segment_payload(const wp_segment *segment, size_t skip)
{
    size_t size = segment->size - WP__CHECK_SIZE;
    const char *end = segment->bytes + size;
    return (wp_unpacker){WP__HEAD_SIZE + skip > size ? end : segment->bytes + WP__HEAD_SIZE + skip,
                         end};
}

static inline bool wp__segment_has_head(const wp_segment *segment, size_t skip)
{
    return segment->size >= WP__HEAD_SIZE + skip + WP__CHECK_SIZE;
}

#endif
