/* A checksum behind every page, kept by a thin layer over SQLite's file system.
**
** SQLite leaves the last 8 bytes of each page alone (reserved space); when a page of the database
** itself is written, the layer puts there a hash of the rest and of the page's place, and checks it
** when a whole page is read. Journals and temporary files pass through untouched, so recovery is
** SQLite's own. A page of zeros is one that was never written. Other programs can read the file as
** any other database.
**
** The layer speaks the first version of the methods only: no shared memory, hence no WAL, and no
** mapping, hence no page that was not checked. It is registered under a name of this copy of the
** library while a store is open, never as the default, and away again before it can be unloaded. */
#include "store/checksum.h"
#include "store/way_internal.h"

#include <stdio.h>

typedef struct checked_file {
    sqlite3_file base;
    sqlite3_file *real;
    char *copy; /* of the page being written */
    int copy_size;
} checked_file;

static uint64_t page_checksum(const char *page, size_t size, uint64_t offset)
{
    return wp_checksum(page, size - WP__PAGE_RESERVE, offset);
}

bool wp__page_is_good(const char *page, size_t size, uint64_t offset)
{
    uint64_t found = wp_load64(page + size - WP__PAGE_RESERVE);
    if (found == page_checksum(page, size, offset))
        return true;
    for (size_t i = 0; i < size; i += 8)
        if (wp_load64(page + i) != 0)
            return false;
    return true;
}

static bool is_page(int size, sqlite3_int64 offset)
{
    return size >= 512 && (size & (size - 1)) == 0 && offset % size == 0;
}

static checked_file *of(sqlite3_file *file)
{
    return (checked_file *)(void *)file;
}

static int x_close(sqlite3_file *file)
{
    checked_file *self = of(file);
    sqlite3_free(self->copy);
    self->copy = NULL;
    return self->real->pMethods->xClose(self->real);
}

static int x_read(sqlite3_file *file, void *into, int size, sqlite3_int64 offset)
{
    sqlite3_file *real = of(file)->real;
    int code = real->pMethods->xRead(real, into, size, offset);
    /* what lies behind the end of the file is read as zeros: a page cut off is found too */
    if ((code == SQLITE_OK || code == SQLITE_IOERR_SHORT_READ) && is_page(size, offset) &&
        !wp__page_is_good(into, (size_t)size, (uint64_t)offset))
        return SQLITE_CORRUPT;
    return code;
}

static int x_write(sqlite3_file *file, const void *from, int size, sqlite3_int64 offset)
{
    checked_file *self = of(file);
    if (!is_page(size, offset))
        return self->real->pMethods->xWrite(self->real, from, size, offset);
    if (self->copy_size < size) {
        char *copy = sqlite3_realloc(self->copy, size);
        if (copy == NULL)
            return SQLITE_IOERR_NOMEM;
        self->copy = copy;
        self->copy_size = size;
    }
    memcpy(self->copy, from, (size_t)size);
    uint64_t sum = page_checksum(self->copy, (size_t)size, (uint64_t)offset);
    for (unsigned i = 0; i < WP__PAGE_RESERVE; i++)
        self->copy[(size_t)size - WP__PAGE_RESERVE + i] = (char)(unsigned char)(sum >> (8 * i));
    return self->real->pMethods->xWrite(self->real, self->copy, size, offset);
}

static int x_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return of(file)->real->pMethods->xTruncate(of(file)->real, size);
}

static int x_sync(sqlite3_file *file, int flags)
{
    return of(file)->real->pMethods->xSync(of(file)->real, flags);
}

static int x_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return of(file)->real->pMethods->xFileSize(of(file)->real, size);
}

static int x_lock(sqlite3_file *file, int level)
{
    return of(file)->real->pMethods->xLock(of(file)->real, level);
}

static int x_unlock(sqlite3_file *file, int level)
{
    return of(file)->real->pMethods->xUnlock(of(file)->real, level);
}

static int x_check_reserved_lock(sqlite3_file *file, int *reserved)
{
    return of(file)->real->pMethods->xCheckReservedLock(of(file)->real, reserved);
}

static int x_file_control(sqlite3_file *file, int operation, void *argument)
{
    return of(file)->real->pMethods->xFileControl(of(file)->real, operation, argument);
}

static int x_sector_size(sqlite3_file *file)
{
    return of(file)->real->pMethods->xSectorSize(of(file)->real);
}

static int x_device_characteristics(sqlite3_file *file)
{
    return of(file)->real->pMethods->xDeviceCharacteristics(of(file)->real);
}

static const sqlite3_io_methods checked_methods = {.iVersion = 1,
                                                   .xClose = x_close,
                                                   .xRead = x_read,
                                                   .xWrite = x_write,
                                                   .xTruncate = x_truncate,
                                                   .xSync = x_sync,
                                                   .xFileSize = x_file_size,
                                                   .xLock = x_lock,
                                                   .xUnlock = x_unlock,
                                                   .xCheckReservedLock = x_check_reserved_lock,
                                                   .xFileControl = x_file_control,
                                                   .xSectorSize = x_sector_size,
                                                   .xDeviceCharacteristics =
                                                       x_device_characteristics};

static sqlite3_vfs *real_of(sqlite3_vfs *vfs)
{
    return vfs->pAppData;
}

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
    sqlite3_vfs *real = real_of(vfs);
    if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
        return real->xOpen(real, name, file, flags, flags_out);
    checked_file *self = of(file);
    memset(self, 0, sizeof *self);
    self->real = (sqlite3_file *)(void *)(self + 1);
    int code = real->xOpen(real, name, self->real, flags, flags_out);
    if (self->real->pMethods != NULL)
        self->base.pMethods = &checked_methods;
    return code;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    return real_of(vfs)->xDelete(real_of(vfs), name, sync);
}

static int v_access(sqlite3_vfs *vfs, const char *name, int flags, int *result)
{
    return real_of(vfs)->xAccess(real_of(vfs), name, flags, result);
}

static int v_full_pathname(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    return real_of(vfs)->xFullPathname(real_of(vfs), name, size, out);
}

static int v_randomness(sqlite3_vfs *vfs, int size, char *out)
{
    return real_of(vfs)->xRandomness(real_of(vfs), size, out);
}

static int v_sleep(sqlite3_vfs *vfs, int microseconds)
{
    return real_of(vfs)->xSleep(real_of(vfs), microseconds);
}

static int v_current_time(sqlite3_vfs *vfs, double *out)
{
    return real_of(vfs)->xCurrentTime(real_of(vfs), out);
}

static int v_get_last_error(sqlite3_vfs *vfs, int size, char *out)
{
    return real_of(vfs)->xGetLastError != NULL
               ? real_of(vfs)->xGetLastError(real_of(vfs), size, out)
               : 0;
}

static struct layer {
    sqlite3_vfs vfs;
    char name[32];
    unsigned stores_count;
} layer;

/* SQLite's mutexes: this room has no other that needs no start. */
static sqlite3_mutex *guard(void)
{
    return sqlite3_mutex_alloc(SQLITE_MUTEX_STATIC_APP1);
}

const char *wp__vfs_retain(void)
{
    if (sqlite3_initialize() != SQLITE_OK)
        return NULL;
    sqlite3_mutex *mutex = guard();
    sqlite3_mutex_enter(mutex);
    const char *name = layer.name;
    if (layer.stores_count == 0) {
        sqlite3_vfs *real = sqlite3_vfs_find(NULL);
        snprintf(layer.name, sizeof layer.name, "wayproof-%p", (void *)&layer);
        layer.vfs = (sqlite3_vfs){.iVersion = 1,
                                  .szOsFile = (int)sizeof(checked_file) + real->szOsFile,
                                  .mxPathname = real->mxPathname,
                                  .zName = layer.name,
                                  .pAppData = real,
                                  .xOpen = v_open,
                                  .xDelete = v_delete,
                                  .xAccess = v_access,
                                  .xFullPathname = v_full_pathname,
                                  .xRandomness = v_randomness,
                                  .xSleep = v_sleep,
                                  .xCurrentTime = v_current_time,
                                  .xGetLastError = v_get_last_error};
        if (sqlite3_vfs_register(&layer.vfs, 0) != SQLITE_OK)
            name = NULL;
    }
    layer.stores_count += name != NULL;
    sqlite3_mutex_leave(mutex);
    return name;
}

void wp__vfs_release(void)
{
    sqlite3_mutex *mutex = guard();
    sqlite3_mutex_enter(mutex);
    if (--layer.stores_count == 0)
        sqlite3_vfs_unregister(&layer.vfs);
    sqlite3_mutex_leave(mutex);
}
