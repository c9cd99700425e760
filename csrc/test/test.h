/* A test runner in one header: each file registers its tests before main runs.
**
**     TEST(an_arena_gives_aligned_blocks) { CHECK(...); CHECK_INT(live, 0); }
**
** A failed check is printed and the test goes on; names read as sentences. The last line printed
** is "N passed, N failed, N skipped". */
#ifndef WP_TEST_TEST_H
#define WP_TEST_TEST_H

#include <stdbool.h>
#include <stdint.h>

typedef struct wp_test {
    const char *name, *file;
    void (*run)(void);
    struct wp_test *next;
} wp_test;

void wp_test_register(wp_test *test);
bool wp_test_check(bool holds, const char *text, const char *file, int line);
bool wp_test_check_int(int64_t found, int64_t expected, const char *text, const char *file,
                       int line);
bool wp_test_check_text(const char *found, const char *expected, const char *text, const char *file,
                        int line);
bool wp_test_check_near(double found, double expected, double tolerance, const char *text,
                        const char *file, int line);

#define TEST(title)                                                                                \
    static void title(void);                                                                       \
    __attribute__((constructor)) static void register_##title(void)                                \
    {                                                                                              \
        static wp_test test = {#title, __FILE__, title, 0};                                        \
        wp_test_register(&test);                                                                   \
    }                                                                                              \
    static void title(void)

#define CHECK(holds)            wp_test_check((holds), #holds, __FILE__, __LINE__)
#define CHECK_INT(found, want)  wp_test_check_int((found), (want), #found, __FILE__, __LINE__)
#define CHECK_TEXT(found, want) wp_test_check_text((found), (want), #found, __FILE__, __LINE__)
#define CHECK_NEAR(found, want, tolerance)                                                         \
    wp_test_check_near((found), (want), (tolerance), #found, __FILE__, __LINE__)

#endif
