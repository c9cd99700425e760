/* Runs every registered test, or those whose name contains the first argument, and counts. */
#include "test/test.h"

#include "base/memory.h"
#include "base/pool.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static wp_test *tests;
static int failed_checks; /* of the running test */

void wp_test_register(wp_test *test)
{
    wp_test **end = &tests; /* in order of registration: by file, then by line */
    while (*end != NULL)
        end = &(*end)->next;
    *end = test;
}

bool wp_test_check(bool holds, const char *text, const char *file, int line)
{
    if (!holds) {
        printf("%s:%d: %s does not hold\n", file, line, text);
        failed_checks++;
    }
    return holds;
}

bool wp_test_check_int(int64_t found, int64_t expected, const char *text, const char *file,
                       int line)
{
    if (found != expected) {
        printf("%s:%d: %s is %" PRId64 " (expected %" PRId64 ")\n", file, line, text, found,
               expected);
        failed_checks++;
    }
    return found == expected;
}

bool wp_test_check_text(const char *found, const char *expected, const char *text, const char *file,
                        int line)
{
    bool same = found != NULL && strcmp(found, expected) == 0;
    if (!same) {
        printf("%s:%d: %s is '%s' (expected '%s')\n", file, line, text,
               found != NULL ? found : "(null)", expected);
        failed_checks++;
    }
    return same;
}

bool wp_test_check_near(double found, double expected, double tolerance, const char *text,
                        const char *file, int line)
{
    bool near = fabs(found - expected) <= tolerance; /* false for NaN */
    if (!near) {
        printf("%s:%d: %s is %.17g (expected %.17g)\n", file, line, text, found, expected);
        failed_checks++;
    }
    return near;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    for (const wp_test *test = tests; test != NULL; test = test->next) {
        if (argc > 1 && strstr(test->name, argv[1]) == NULL)
            continue;
        int64_t live = wp_memory_live();
        failed_checks = 0;
        test->run();
        if (wp_memory_live() != live) {
            printf("%s: leaks %" PRId64 " bytes\n", test->file, wp_memory_live() - live);
            failed_checks++;
        }
        if (failed_checks > 0)
            printf("FAILED %s\n", test->name);
        passed += failed_checks == 0;
        failed += failed_checks > 0;
        fflush(stdout);
    }
    wp_pool_shutdown();
    printf("%d passed, %d failed, 0 skipped\n", passed, failed);
    return failed > 0;
}
