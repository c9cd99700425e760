/* A file system for SQLite that fails on demand: full disks, failing writes, power cuts.
**
** Operations that change a disk (write, truncate, sync, delete, create) are counted; the n-th
** fails, once or, after a power cut, with all that follow. A cut write leaves half of its bytes.
** Reads can be made to fail too. Registered as the default while a test runs. */
#ifndef WP_TEST_FAULTY_VFS_H
#define WP_TEST_FAULTY_VFS_H

#include <stdbool.h>

typedef enum wp_fault {
    WP_FAULT_NONE,
    WP_FAULT_FULL,  /* the n-th change fails: no space; later ones succeed */
    WP_FAULT_IO,    /* the n-th change fails: I/O error; later ones succeed */
    WP_FAULT_POWER, /* the n-th change is torn, all that follow fail */
    WP_FAULT_READ   /* the n-th read fails; later ones succeed */
} wp_fault;

void wp_faulty_install(void);
void wp_faulty_remove(void);
/* Starts counting anew. */
void wp_faulty_plan(wp_fault fault, long n);
/* Whether the planned fault has happened. */
bool wp_faulty_happened(void);

#endif
