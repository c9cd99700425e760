/* Time zones: UTC offsets, and IANA zones from the system's TZif files (RFC 8536).
**
** A zone is a sorted list of transitions and a rule for what comes after the last one. Immutable
** once loaded, so threads may share it.
**
** Local to UTC at clock changes: a local time that exists twice is the first of the two (before the
** clock went back); one that does not exist is moved forward by the length of the gap (the offset
** before the change applies). */
#ifndef WP_BASE_ZONE_H
#define WP_BASE_ZONE_H

#include "base/error.h"

#include <stdint.h>

typedef struct wp_zone wp_zone;

/* "UTC", "Z", "+02:00", "+0200", "-5", "Europe/Berlin". Unknown names fail with WP_INVALID. */
WP_NODISCARD wp_status wp_zone_load(const char *name, wp_zone **out, wp_error *err);
void wp_zone_free(wp_zone *zone); /* NULL is fine */

/* Seconds to add to UTC at an instant (seconds since 1970, UTC). NULL zone: 0. */
int32_t wp_zone_offset_at(const wp_zone *zone, int64_t utc_seconds);
/* The instant of a local clock reading, both in seconds since 1970. */
int64_t wp_zone_utc_from_local(const wp_zone *zone, int64_t local_seconds);

#endif
