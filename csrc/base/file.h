/* Bytes of a file for many readers at once: plain files by position, gzip and pipes from memory.
**
** A plain file is read with pread into the callers' own buffers: no mapping that a truncation could
** turn into a crash, and pages of the file never count as memory of the process. Compressed files
** are inflated whole on opening (all members), as nothing can seek in them. */
#ifndef WP_BASE_FILE_H
#define WP_BASE_FILE_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

typedef struct wp_file {
    int descriptor; /* -1 when all is in `bytes` */
    char *bytes;
    uint64_t size;
    const char *name; /* for messages: the path as given, borrowed */
} wp_file;

/* "-" is the standard input. */
WP_NODISCARD wp_status wp_file_open(const char *path, wp_file *out, wp_error *err);
void wp_file_close(wp_file *file);
/* Up to `size` bytes from `offset`; fewer only at the end of the file. */
WP_NODISCARD wp_status wp_file_read(const wp_file *file, uint64_t offset, char *into, size_t size,
                                    size_t *got, wp_error *err);
/* Number of newlines in the first `size` bytes, plus one: the line on which byte `size` stands. */
WP_NODISCARD wp_status wp_file_line(const wp_file *file, uint64_t size, uint64_t *line,
                                    wp_error *err);

#endif
