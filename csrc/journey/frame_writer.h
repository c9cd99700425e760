/* A frame on its way: chunks of rows come in any order and from any thread, and join in the end.
**
** Every chunk has its own range of the frame's rows, of which it may fill less. Counts are written
** as bytes, which is enough for nearly all; a chunk that has one of 255 or more keeps the column in
** a block of its own, and the column becomes wide when the chunks are joined. So a frame never
** takes more memory than in the end, but for one such column per thread. */
#ifndef WP_JOURNEY_FRAME_WRITER_H
#define WP_JOURNEY_FRAME_WRITER_H

#include "journey/frame.h"

typedef struct wp_frame_chunk {
    uint32_t first, count; /* rows of the frame */
} wp_frame_chunk;

typedef struct wp_frame_writer {
    wp_frame *frame; /* owned until wp_frame_writer_end */
    uint32_t chunks_count;
    wp_frame_chunk *chunks;
    uint32_t **wide; /* chunk * columns + column: counts that bytes do not hold, else NULL */
} wp_frame_writer;

/* An empty frame with room for users, t0, ends and the plan's columns, as wide as the plan says. */
WP_NODISCARD wp_status wp_frame_of_plan(const wp_plan *plan, const wp_columns *columns,
                                        uint32_t rows_count, wp_frame **out, wp_error *err);

/* Also after a failure the writer is ended with wp_frame_writer_end. */
WP_NODISCARD wp_status wp_frame_writer_start(wp_frame_writer *writer, const wp_plan *plan,
                                             const wp_columns *columns, uint32_t rows_count,
                                             uint32_t chunks_count, wp_error *err);
/* Puts the first `count` of `rows` (of wp_frame_of_plan) to the frame's rows from `first` on. Each
** chunk is put once, by any thread. */
WP_NODISCARD wp_status wp_frame_put(wp_frame_writer *writer, size_t chunk, uint32_t first,
                                    const wp_frame *rows, uint32_t count, wp_error *err);
/* Closes the gaps between the chunks, whose rows are in ascending order. */
WP_NODISCARD wp_status wp_frame_join(wp_frame_writer *writer, const wp_run *run, wp_error *err);
/* Hands the frame out; NULL when there is none. */
wp_frame *wp_frame_writer_end(wp_frame_writer *writer);

#endif
