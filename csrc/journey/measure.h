/* Measuring: a log and a plan give a frame, in one pass.
**
** First each user's anchor row is found (no anchor, outside, or a row), unless it is the first row
** anyway; then chunks of users are laid out as spans, every leaf runs over a span, every column's
** program over the leaves; the rows of those users whom the plan's rules keep go to the frame
** (frame_writer.h). Chunks are cut by rows of the log, and the frame is the same for any number of
** threads.
** Cost: O(rows) for the anchors when `from` or a view asks for a search, O(rows in windows times
** leaves) after it. Scratch per worker: what the largest chunk needs. */
#ifndef WP_JOURNEY_MEASURE_H
#define WP_JOURNEY_MEASURE_H

#include "journey/frame.h"

WP_NODISCARD wp_status wp_measure(const wp_log *log, const wp_plan *plan, const wp_run *run,
                                  wp_frame **out, wp_error *err);

#endif
