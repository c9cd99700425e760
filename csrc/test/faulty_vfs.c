/* See faulty_vfs.h. */
#include "test/faulty_vfs.h"

#include <sqlite3.h>
#include <string.h>

typedef struct faulty_file {
    sqlite3_file base;
    sqlite3_file *real;
} faulty_file;

static struct {
    sqlite3_vfs vfs, *real;
    wp_fault fault;
    long n, count;
    bool happened;
} plan;

static sqlite3_file *real_of(sqlite3_file *file)
{
    return ((faulty_file *)(void *)file)->real;
}

/* True when the change that is about to happen must fail. */
static bool fails(void)
{
    if (plan.fault == WP_FAULT_NONE || plan.fault == WP_FAULT_READ)
        return false;
    if (plan.happened && plan.fault == WP_FAULT_POWER)
        return true;
    if (++plan.count != plan.n)
        return false;
    plan.happened = true;
    return true;
}

static int code_of(int io_error)
{
    return plan.fault == WP_FAULT_FULL ? SQLITE_FULL : io_error;
}

static int f_close(sqlite3_file *file)
{
    return real_of(file)->pMethods->xClose(real_of(file));
}

static int f_read(sqlite3_file *file, void *into, int size, sqlite3_int64 offset)
{
    if (plan.fault == WP_FAULT_READ && ++plan.count == plan.n) {
        plan.happened = true;
        memset(into, 0, (size_t)size);
        return SQLITE_IOERR_READ;
    }
    return real_of(file)->pMethods->xRead(real_of(file), into, size, offset);
}

static int f_write(sqlite3_file *file, const void *from, int size, sqlite3_int64 offset)
{
    bool was_cut = plan.happened;
    if (fails()) {
        if (plan.fault == WP_FAULT_POWER && !was_cut)
            real_of(file)->pMethods->xWrite(real_of(file), from, size / 2, offset);
        return code_of(SQLITE_IOERR_WRITE);
    }
    return real_of(file)->pMethods->xWrite(real_of(file), from, size, offset);
}

static int f_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return fails() ? code_of(SQLITE_IOERR_TRUNCATE)
                   : real_of(file)->pMethods->xTruncate(real_of(file), size);
}

static int f_sync(sqlite3_file *file, int flags)
{
    return fails() ? code_of(SQLITE_IOERR_FSYNC)
                   : real_of(file)->pMethods->xSync(real_of(file), flags);
}

static int f_file_size(sqlite3_file *file, sqlite3_int64 *size)
{
    return real_of(file)->pMethods->xFileSize(real_of(file), size);
}

static int f_lock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xLock(real_of(file), level);
}

static int f_unlock(sqlite3_file *file, int level)
{
    return real_of(file)->pMethods->xUnlock(real_of(file), level);
}

static int f_check_reserved_lock(sqlite3_file *file, int *reserved)
{
    return real_of(file)->pMethods->xCheckReservedLock(real_of(file), reserved);
}

static int f_file_control(sqlite3_file *file, int operation, void *argument)
{
    return real_of(file)->pMethods->xFileControl(real_of(file), operation, argument);
}

static int f_sector_size(sqlite3_file *file)
{
    return real_of(file)->pMethods->xSectorSize(real_of(file));
}

/* No promises about power cuts: a sector may be torn. */
static int f_device_characteristics(sqlite3_file *file)
{
    (void)file;
    return 0;
}

static const sqlite3_io_methods methods = {.iVersion = 1,
                                           .xClose = f_close,
                                           .xRead = f_read,
                                           .xWrite = f_write,
                                           .xTruncate = f_truncate,
                                           .xSync = f_sync,
                                           .xFileSize = f_file_size,
                                           .xLock = f_lock,
                                           .xUnlock = f_unlock,
                                           .xCheckReservedLock = f_check_reserved_lock,
                                           .xFileControl = f_file_control,
                                           .xSectorSize = f_sector_size,
                                           .xDeviceCharacteristics = f_device_characteristics};

static int v_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *flags_out)
{
    (void)vfs;
    faulty_file *self = (faulty_file *)(void *)file;
    int present = 1;
    memset(self, 0, sizeof *self);
    if (name != NULL && (flags & SQLITE_OPEN_CREATE) != 0)
        plan.real->xAccess(plan.real, name, SQLITE_ACCESS_EXISTS, &present);
    if ((!present || name == NULL) && fails())
        return code_of(SQLITE_CANTOPEN);
    self->real = (sqlite3_file *)(void *)(self + 1);
    int code = plan.real->xOpen(plan.real, name, self->real, flags, flags_out);
    if (self->real->pMethods != NULL)
        self->base.pMethods = &methods;
    return code;
}

static int v_delete(sqlite3_vfs *vfs, const char *name, int sync)
{
    (void)vfs;
    return fails() ? code_of(SQLITE_IOERR_DELETE) : plan.real->xDelete(plan.real, name, sync);
}

void wp_faulty_install(void)
{
    sqlite3_initialize();
    plan.real = sqlite3_vfs_find(NULL);
    plan.vfs = *plan.real;
    plan.vfs.zName = "faulty";
    plan.vfs.szOsFile = (int)sizeof(faulty_file) + plan.real->szOsFile;
    plan.vfs.xOpen = v_open;
    plan.vfs.xDelete = v_delete;
    plan.vfs.pNext = NULL;
    sqlite3_vfs_register(&plan.vfs, 1);
    wp_faulty_plan(WP_FAULT_NONE, 0);
}

void wp_faulty_remove(void)
{
    sqlite3_vfs_unregister(&plan.vfs);
    sqlite3_vfs_register(plan.real, 1);
}

void wp_faulty_plan(wp_fault fault, long n)
{
    plan.fault = fault;
    plan.n = n;
    plan.count = 0;
    plan.happened = false;
}

bool wp_faulty_happened(void)
{
    return plan.happened;
}
