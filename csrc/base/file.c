/* Files; see file.h. */
#include "base/file.h"

#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

static wp_status fail_system(const char *name, const char *what, wp_error *err)
{
    return wp_fail(err, WP_IO, "%s: cannot %s: %s", name, what, strerror(errno));
}

/* Grows geometrically, so that reading to an unknown end stays linear. */
static bool make_room(char **bytes, size_t *capacity, size_t used)
{
    if (*capacity - used >= 65536)
        return true;
    size_t larger = *capacity < 131072 ? 262144 : *capacity + *capacity / 2;
    char *block = wp_realloc_array(*bytes, larger, 1);
    if (block == NULL)
        return false;
    *bytes = block;
    *capacity = larger;
    return true;
}

static wp_status read_stream(wp_file *file, int descriptor, wp_error *err)
{
    size_t capacity = 0, used = 0;
    for (;;) {
        if (!make_room(&file->bytes, &capacity, used))
            return wp_fail_memory(err, capacity + capacity / 2);
        ssize_t got = read(descriptor, file->bytes + used, capacity - used);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return fail_system(file->name, "read", err);
        if (got == 0)
            break;
        used += (size_t)got;
    }
    file->size = used;
    return WP_OK;
}

/* Replaces the compressed bytes that `next` delivers by what they inflate to. */
typedef struct inflation {
    wp_file *file;
    const char *packed; /* in memory, or NULL: read from the descriptor */
    uint64_t packed_size, packed_at;
    z_stream stream;
    unsigned char *input;
} inflation;

#define INPUT_BYTES (1u << 18)

static wp_status refill(inflation *work, wp_error *err)
{
    uint64_t left = work->packed_size - work->packed_at;
    size_t size = left < INPUT_BYTES ? (size_t)left : INPUT_BYTES, got = size;
    if (work->packed != NULL)
        memcpy(work->input, work->packed + work->packed_at, size);
    else
        WP_TRY(wp_file_read(work->file, work->packed_at, (char *)work->input, size, &got, err));
    work->packed_at += got;
    if (got == 0)
        work->packed_at = work->packed_size;
    work->stream.next_in = work->input;
    work->stream.avail_in = (uInt)got;
    return WP_OK;
}

static wp_status inflate_members(inflation *work, char **bytes, size_t *used, wp_error *err)
{
    size_t capacity = 0;
    bool inside = true;
    for (;;) {
        if (work->stream.avail_in == 0) {
            WP_TRY(refill(work, err));
            if (work->stream.avail_in == 0)
                break;
        }
        if (!inside) {
            if (work->stream.next_in[0] != 0x1f)
                break; /* padding after the last member */
            inflateReset(&work->stream);
            inside = true;
        }
        if (!make_room(bytes, &capacity, *used))
            return wp_fail_memory(err, capacity + capacity / 2);
        size_t room = capacity - *used;
        work->stream.next_out = (unsigned char *)*bytes + *used;
        work->stream.avail_out = room > UINT32_MAX ? UINT32_MAX : (uInt)room;
        uInt before = work->stream.avail_out;
        int code = inflate(&work->stream, Z_NO_FLUSH);
        *used += before - work->stream.avail_out;
        if (code == Z_STREAM_END)
            inside = false;
        else if (code != Z_OK && code != Z_BUF_ERROR)
            return wp_fail(err, WP_CORRUPT, "%s: compressed data is damaged after %zu bytes",
                           work->file->name, *used);
    }
    if (inside)
        return wp_fail(err, WP_CORRUPT, "%s: compressed data ends too early, after %zu bytes",
                       work->file->name, *used);
    return WP_OK;
}

static wp_status inflate_file(wp_file *file, wp_error *err)
{
    inflation work = {.file = file, .packed = file->bytes, .packed_size = file->size};
    char *bytes = NULL;
    size_t used = 0;
    work.input = wp_alloc(INPUT_BYTES);
    if (work.input == NULL)
        return wp_fail_memory(err, INPUT_BYTES);
    if (inflateInit2(&work.stream, 15 + 16) != Z_OK) {
        wp_free(work.input);
        return wp_fail_memory(err, 65536);
    }
    wp_status status = inflate_members(&work, &bytes, &used, err);
    inflateEnd(&work.stream);
    wp_free(work.input);
    if (status != WP_OK) {
        wp_free(bytes);
        return status;
    }
    wp_free(file->bytes);
    if (file->descriptor >= 0)
        close(file->descriptor);
    file->descriptor = -1;
    file->bytes = bytes;
    file->size = used;
    return WP_OK;
}

static wp_status open_source(const char *path, wp_file *file, wp_error *err)
{
    bool is_input = strcmp(path, "-") == 0;
    int descriptor = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return fail_system(path, "open", err);
    struct stat facts;
    wp_status status = WP_OK;
    if (fstat(descriptor, &facts) != 0)
        status = fail_system(path, "open", err);
    else if (S_ISDIR(facts.st_mode))
        status = wp_fail(err, WP_IO, "%s: is a folder (expected a file)", path);
    else if (S_ISREG(facts.st_mode) && !is_input) {
        file->descriptor = descriptor;
        file->size = (uint64_t)facts.st_size;
        return WP_OK;
    } else {
        status = read_stream(file, descriptor, err);
    }
    if (!is_input)
        close(descriptor);
    return status;
}

wp_status wp_file_open(const char *path, wp_file *out, wp_error *err)
{
    wp_file file = {.descriptor = -1, .name = path};
    wp_status status = open_source(path, &file, err);
    char magic[2];
    size_t got = 0;
    if (status == WP_OK)
        status = wp_file_read(&file, 0, magic, sizeof magic, &got, err);
    if (status == WP_OK && got == 2 && memcmp(magic, "\x1f\x8b", 2) == 0)
        status = inflate_file(&file, err);
    if (status == WP_OK)
        *out = file;
    else
        wp_file_close(&file);
    return status;
}

void wp_file_close(wp_file *file)
{
    if (file->descriptor >= 0)
        close(file->descriptor);
    wp_free(file->bytes);
    file->descriptor = -1;
    file->bytes = NULL;
}

wp_status wp_file_read(const wp_file *file, uint64_t offset, char *into, size_t size, size_t *got,
                       wp_error *err)
{
    *got = 0;
    if (offset >= file->size)
        return WP_OK;
    if (size > file->size - offset)
        size = (size_t)(file->size - offset);
    if (file->descriptor < 0) {
        memcpy(into, file->bytes + offset, size);
        *got = size;
        return WP_OK;
    }
    while (*got < size) {
        ssize_t part = pread(file->descriptor, into + *got, size - *got, (off_t)(offset + *got));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return fail_system(file->name, "read", err);
        if (part == 0)
            break; /* cut short by somebody else */
        *got += (size_t)part;
    }
    return WP_OK;
}

wp_status wp_file_line(const wp_file *file, uint64_t size, uint64_t *line, wp_error *err)
{
    const size_t block = 1 << 18;
    char *bytes = wp_alloc(block);
    if (bytes == NULL)
        return wp_fail_memory(err, block);
    uint64_t count = 1, at = 0;
    wp_status status = WP_OK;
    while (at < size && status == WP_OK) {
        size_t want = size - at < block ? (size_t)(size - at) : block, got;
        status = wp_file_read(file, at, bytes, want, &got, err);
        if (status != WP_OK || got == 0)
            break;
        for (size_t i = 0; i < got; i++)
            count += bytes[i] == '\n';
        at += got;
    }
    wp_free(bytes);
    *line = count;
    return status;
}
