/* base/: errors, memory, arenas, random numbers, the thread pool. */
#include "test/test.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/pool.h"
#include "base/rng.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

TEST(an_error_keeps_its_status_and_sentence)
{
    wp_error err;
    CHECK_INT(wp_fail(&err, WP_PARSE, "%s:%d: bad", "a.csv", 3), WP_PARSE);
    CHECK_INT(err.status, WP_PARSE);
    CHECK_TEXT(err.message, "a.csv:3: bad");
    CHECK_TEXT(wp_status_name(WP_LIMIT), "limit");
    CHECK_TEXT(wp_status_name((wp_status)99), "unknown");
}

TEST(a_message_that_is_too_long_ends_in_dots)
{
    wp_error err;
    char text[2 * WP_MESSAGE_BYTES];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    CHECK_INT(wp_fail(&err, WP_IO, "%s", text), WP_IO);
    CHECK_INT(strlen(err.message), WP_MESSAGE_BYTES - 1);
    CHECK_TEXT(err.message + WP_MESSAGE_BYTES - 4, "...");
}

TEST(a_failure_without_an_error_struct_is_still_a_failure)
{
    CHECK_INT(wp_fail(NULL, WP_IO, "lost"), WP_IO);
}

TEST(live_bytes_follow_every_allocation)
{
    int64_t before = wp_memory_live();
    char *block = wp_alloc_array(10, 7);
    CHECK_INT(wp_memory_live() - before, 70);
    block = wp_realloc_array(block, 20, 7);
    CHECK_INT(wp_memory_live() - before, 140);
    char *copy = wp_copy_string("abc", 2);
    CHECK_TEXT(copy, "ab");
    wp_free(copy);
    wp_free(block);
    wp_free(NULL);
    CHECK_INT(wp_memory_live() - before, 0);
}

TEST(an_array_too_large_for_memory_is_refused_not_wrapped)
{
    CHECK(wp_alloc_array(SIZE_MAX / 4, 16) == NULL);
    CHECK(wp_alloc_array_zero(SIZE_MAX, SIZE_MAX) == NULL);
    CHECK(wp_alloc(SIZE_MAX) == NULL);
    void *block = wp_alloc(1);
    CHECK(wp_realloc_array(block, SIZE_MAX / 2, 8) == NULL);
    wp_free(block);
}

TEST(the_chosen_allocation_fails_and_only_that_one)
{
    wp_memory_fail_after(2);
    void *first = wp_alloc(8), *second = wp_alloc(8), *third = wp_alloc(8);
    CHECK(first != NULL);
    CHECK(second == NULL);
    CHECK(third != NULL);
    wp_free(first);
    wp_free(third);
}

TEST(an_arena_gives_aligned_blocks_that_do_not_overlap)
{
    wp_arena arena;
    wp_arena_init(&arena);
    unsigned char *blocks[200];
    for (int i = 0; i < 200; i++) {
        size_t size = (size_t)(i * 37 % 501 + 1);
        blocks[i] = wp_arena_alloc(&arena, size);
        if (!CHECK(blocks[i] != NULL && (uintptr_t)blocks[i] % 8 == 0))
            break;
        memset(blocks[i], i, size);
    }
    for (int i = 0; i < 200; i++)
        CHECK_INT(blocks[i][i * 37 % 501], i);
    CHECK(wp_arena_alloc(&arena, 5u << 20) != NULL);
    wp_arena_free(&arena);
    CHECK_TEXT(wp_arena_copy(&arena, "again", 5), "again");
    wp_arena_free(&arena);
}

/* Reference: the published C of splitmix64 and xoshiro256** started from state {1, 2, 3, 4}. */
TEST(random_numbers_are_those_of_the_published_generators)
{
    uint64_t state = 1234567;
    CHECK_INT((int64_t)wp_splitmix64(&state), (int64_t)6457827717110365317ULL);
    CHECK_INT((int64_t)wp_splitmix64(&state), (int64_t)3203168211198807973ULL);
    wp_rng rng = {{1, 2, 3, 4}};
    CHECK_INT((int64_t)wp_rng_next(&rng), 11520);
    CHECK_INT((int64_t)wp_rng_next(&rng), 0);
    CHECK_INT((int64_t)wp_rng_next(&rng), 1509978240);
    CHECK_INT((int64_t)wp_rng_next(&rng), 1215971899390074240);
}

TEST(random_integers_cover_their_range_evenly)
{
    wp_rng rng;
    int counts[7] = {0};
    wp_rng_seed(&rng, 1, 0);
    for (int i = 0; i < 70000; i++)
        counts[wp_rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++)
        CHECK(counts[i] > 9500 && counts[i] < 10500);
    for (int i = 0; i < 1000; i++) {
        double u = wp_rng_uniform(&rng);
        CHECK(u >= 0 && u < 1);
    }
}

typedef struct squares {
    double parts[1000];
    size_t fail_from;
} squares;

static wp_status square(void *work, size_t chunk, unsigned worker, wp_error *err)
{
    (void)worker;
    squares *s = work;
    if (chunk >= s->fail_from)
        return wp_fail(err, WP_INVALID, "chunk %d", (int)chunk);
    s->parts[chunk] = (double)chunk * (double)chunk;
    return WP_OK;
}

TEST(the_pool_runs_every_chunk_once_for_any_number_of_threads)
{
    for (unsigned threads = 1; threads <= 8; threads++) {
        squares work = {.fail_from = SIZE_MAX};
        wp_run run = {.threads = threads};
        wp_error err;
        CHECK_INT(wp_pool_run(&run, 1000, square, &work, &err), WP_OK);
        double sum = 0;
        for (int i = 0; i < 1000; i++)
            sum += work.parts[i];
        CHECK_NEAR(sum, 332833500.0, 0);
    }
}

TEST(a_failing_chunk_stops_the_run_and_is_reported)
{
    for (unsigned threads = 1; threads <= 4; threads++) {
        squares work = {.fail_from = 0};
        wp_run run = {.threads = threads};
        wp_error err = {.status = WP_OK};
        CHECK_INT(wp_pool_run(&run, 1000, square, &work, &err), WP_INVALID);
        CHECK_INT(err.status, WP_INVALID);
    }
}

static bool yes(void *context)
{
    return *(bool *)context;
}

TEST(a_run_ends_when_its_caller_asks)
{
    bool stop = true;
    for (unsigned threads = 1; threads <= 4; threads++) {
        squares work = {.fail_from = SIZE_MAX};
        wp_run run = {.threads = threads, .interrupted = yes, .context = &stop};
        wp_error err;
        wp_status status = wp_pool_run(&run, 1000, square, &work, &err);
        /* with several threads the workers may have taken every chunk before the caller could */
        CHECK(status == WP_INTERRUPTED || (threads > 1 && status == WP_OK));
    }
}

static wp_status look_at_signals(void *work, size_t chunk, unsigned worker, wp_error *err)
{
    (void)chunk;
    (void)err;
    sigset_t mask;
    usleep(50); /* long enough for the workers to wake up and get their share */
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    atomic_int *wrong = work; /* Ctrl-C belongs to the caller and to nobody else */
    if (sigismember(&mask, SIGINT) != (worker > 0))
        atomic_fetch_add(wrong, 1);
    return WP_OK;
}

TEST(workers_leave_signals_to_the_calling_thread)
{
    atomic_int wrong = 0;
    wp_run run = {.threads = 4};
    CHECK_INT(wp_pool_run(&run, 300, look_at_signals, &wrong, NULL), WP_OK);
    CHECK_INT(wrong, 0);
}

typedef struct watcher {
    size_t last, calls, ends;
    bool fell;
} watcher;

static void watch(void *context, size_t done, size_t total)
{
    watcher *seen = context;
    seen->fell = seen->fell || done < seen->last || done > total;
    seen->last = done;
    seen->calls++;
    seen->ends += done == total;
}

TEST(progress_rises_and_ends_once_even_when_the_work_fails)
{
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        for (size_t bad = 0; bad < 2; bad++) {
            squares work = {.fail_from = bad ? 500 : 5000};
            watcher seen = {0};
            wp_error err;
            wp_run run = {.threads = threads, .progress = watch, .context = &seen};
            CHECK_INT(wp_pool_run(&run, 1000, square, &work, &err), bad ? WP_INVALID : WP_OK);
            CHECK(!seen.fell);
            CHECK_INT(seen.ends, 1);
            CHECK_INT(seen.last, 1000);
            CHECK(threads > 1 || seen.calls > 1); /* workers may have taken every chunk */
        }
    }
}

TEST(the_pool_starts_again_after_its_end)
{
    squares work = {.fail_from = SIZE_MAX};
    wp_run run = {.threads = 4};
    wp_pool_shutdown();
    CHECK_INT(wp_pool_run(&run, 1000, square, &work, NULL), WP_OK);
    CHECK_INT(wp_pool_run(&run, 0, square, &work, NULL), WP_OK);
    wp_pool_shutdown();
    wp_pool_shutdown();
    CHECK_INT(wp_pool_run(&run, 1000, square, &work, NULL), WP_OK);
}
