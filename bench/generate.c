/* Writes the benchmark's log: a shop, 180 days, 12 event names, sessions, Zipf-like activity, a
*value
** on purchases; whole seconds, CSV with the columns user_id,event,ts,value in the order of time.
**
**     cc -O2 -o generate bench/generate.c -lm
**     ./generate EVENTS [grouped] > events.csv
**
** The same EVENTS always gives the same bytes. About EVENTS / 20 users. `grouped` keeps each user's
** rows together instead of sorting by time. `strings` writes ids such as "u-00012f3a". */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LANDING,
    SEARCH,
    PRODUCT,
    COMPARE,
    FAQ,
    REVIEW,
    CART,
    CHECKOUT,
    PURCHASE,
    SUPPORT,
    RETURN,
    EXIT
};
static const char *const names[] = {"landing",  "search",  "product_view", "compare",
                                    "faq",      "review",  "add_to_cart",  "checkout_start",
                                    "purchase", "support", "return",       "exit"};
typedef struct row {
    uint32_t second, user;
    uint8_t event;
} row;

static uint64_t state = 0x9e3779b97f4a7c15ULL;

static uint64_t next(void)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

static double uniform(void)
{
    return (double)(next() >> 11) * 0x1p-53;
}

/* Where a visitor goes from each page, as cumulative thousandths over the twelve names. */
static const uint16_t steps[12][12] = {
    /* landing  */ {60, 330, 680, 720, 750, 770, 780, 780, 780, 790, 790, 1000},
    /* search   */ {80, 250, 700, 780, 800, 830, 850, 850, 850, 855, 855, 1000},
    /* product  */ {50, 150, 450, 560, 600, 700, 820, 820, 820, 830, 830, 1000},
    /* compare  */ {30, 100, 450, 520, 580, 660, 820, 830, 830, 840, 840, 1000},
    /* faq      */ {50, 150, 400, 480, 560, 600, 720, 750, 750, 830, 830, 1000},
    /* review   */ {30, 100, 450, 540, 570, 640, 800, 810, 810, 820, 820, 1000},
    /* cart     */ {20, 80, 280, 320, 350, 380, 450, 780, 780, 800, 800, 1000},
    /* checkout */ {10, 30, 80, 100, 140, 150, 220, 300, 740, 780, 780, 1000},
    /* purchase */ {40, 80, 200, 210, 240, 250, 260, 265, 268, 320, 360, 1000},
    /* support  */ {60, 120, 300, 330, 450, 470, 500, 520, 525, 650, 720, 1000},
    /* return   */ {60, 140, 320, 340, 400, 410, 430, 435, 438, 560, 600, 1000},
    /* exit     */ {500, 700, 900, 920, 940, 950, 960, 965, 965, 980, 985, 1000}};

static uint8_t move(uint8_t event)
{
    uint16_t draw = (uint16_t)(next() % 1000);
    uint8_t to = 0;
    while (steps[event][to] <= draw)
        to++;
    return to;
}

static int by_time(const void *a, const void *b)
{
    const row *x = a, *y = b;
    if (x->second != y->second)
        return x->second < y->second ? -1 : 1;
    return x->user < y->user ? -1 : x->user > y->user;
}

int main(int argc, char **argv)
{
    size_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, count = 0;
    int grouped = 0, strings = 0;
    for (int i = 2; i < argc; i++) {
        grouped |= strcmp(argv[i], "grouped") == 0;
        strings |= strcmp(argv[i], "strings") == 0;
    }
    row *rows = malloc((wanted + 1) * sizeof *rows);
    if (rows == NULL)
        return fputs("out of memory\n", stderr), 1;
    const uint32_t span = 180u * 86400u;
    uint32_t user = 0;
    for (; count < wanted; user++) {
        /* Pareto-like number of sessions: a few users do most of the work. */
        unsigned sessions = (unsigned)(1.0 / pow(1.0 - uniform(), 0.72));
        if (sessions > 400)
            sessions = 400;
        uint32_t second = (uint32_t)(uniform() * span * 0.95);
        for (unsigned s = 0; s < sessions && second < span && count < wanted; s++) {
            uint8_t event = uniform() < 0.7 ? LANDING : SEARCH;
            uint32_t at = second;
            for (unsigned n = 0; n < 60 && count < wanted && at < span; n++) {
                rows[count++] = (row){at, user, event};
                if (event == EXIT)
                    break;
                event = move(event);
                at += (uint32_t)(-log(1.0 - uniform()) * 55.0);
            }
            second = at + (uint32_t)(-log(1.0 - uniform()) * 4.0 * 86400.0);
        }
    }
    if (!grouped)
        qsort(rows, count, sizeof *rows, by_time);
    static char buffer[1 << 20];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    puts("user_id,event,ts,value");
    const uint32_t epoch = 1704067200u; /* 2024-01-01 */
    for (size_t i = 0; i < count; i++) {
        uint32_t id = rows[i].user;
        /* A mixing bijection, so that ids say nothing about order. */
        uint32_t mixed = (id * 2654435761u) ^ 0x5bd1e995u;
        if (strings)
            printf("u-%08x,%s,%u,", mixed, names[rows[i].event], epoch + rows[i].second);
        else
            printf("%u,%s,%u,", mixed, names[rows[i].event], epoch + rows[i].second);
        if (rows[i].event == PURCHASE) {
            uint64_t cents = 500 + (rows[i].second * 2654435761u + id * 40503u) % 20000u;
            printf("%u.%02u", (unsigned)(cents / 100), (unsigned)(cents % 100));
        }
        putchar('\n');
    }
    fprintf(stderr, "%zu events, %u users\n", count, user);
    free(rows);
    return 0;
}
