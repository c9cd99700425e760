/* Writes the benchmark's log: a shop, 180 days, 12 event names, sessions, Zipf-like activity, a
** value on purchases; whole seconds, CSV with the columns user_id,event,ts,value in the order of
** time.
**
**     cc -O2 -o generate bench/generate.c -lm
**     ./generate EVENTS [grouped] > events.csv
**
** The same EVENTS always gives the same bytes. About EVENTS / 20 users. `grouped` keeps each user's
** rows together instead of sorting by time. `strings` writes ids such as "u-00012f3a". `once` makes
** every event a user of its own, `single` gives all of them to one user, `names` spreads them over
** 60,000 event names, `wide` adds 200 properties, `channel` one. `batch=K` gives other people,
** `again=K` other journeys of the same people. `statistics` writes EVENTS rows of a score, three
** covariates and a label instead.
*/
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

/* A score that leads to a rare label, through noise and three covariates. */
static void write_statistics(size_t rows)
{
    puts("score,c1,c2,c3,label");
    for (size_t i = 0; i < rows; i++) {
        double score = -log(1.0 - uniform()), c1 = floor(-log(1.0 - uniform()) * 5.0);
        double c2 = uniform() + uniform() + uniform() - 1.5, c3 = uniform() < 0.3;
        double logit = -3.9 + 0.3 * score + 0.05 * c1 + 0.4 * c2 - 0.2 * c3;
        int label = uniform() < 1.0 / (1.0 + exp(-logit));
        printf("%.9f,%.0f,%.6f,%.0f,%d\n", score, c1, c2, c3, label);
    }
}

static void write_row(const row *at, int strings, int many_names, int wide, int channel)
{
    const uint32_t epoch = 1704067200u; /* 2024-01-01 */
    /* A mixing bijection, so that ids say nothing about order. */
    uint32_t id = at->user, mixed = (id * 2654435761u) ^ 0x5bd1e995u;
    printf(strings ? "u-%08x," : "%u,", mixed);
    if (many_names)
        printf("%s_%u", names[at->event], (at->second * 2654435761u + id) % 5000u);
    else
        fputs(names[at->event], stdout);
    printf(",%u,", epoch + at->second);
    if (at->event == PURCHASE) {
        uint64_t cents = 500 + (at->second * 2654435761u + id * 40503u) % 20000u;
        printf("%u.%02u", (unsigned)(cents / 100), (unsigned)(cents % 100));
    }
    for (unsigned p = 0; wide && p < 200; p++)
        printf(",%c", 'a' + (char)((mixed >> p % 24) % 5));
    static const char *const channels[] = {"ads", "mail", "search", "social", "direct"};
    if (channel)
        printf(",%s", channels[(mixed + at->second / 3600u) % 5]);
    putchar('\n');
}

int main(int argc, char **argv)
{
    size_t wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000, count = 0;
    const char *options[] = {"grouped", "strings", "once",    "single",
                             "names",   "wide",    "channel", "statistics"};
    enum { GROUPED, STRINGS, ONCE, SINGLE, NAMES, WIDE, CHANNEL, STATISTICS, OPTIONS };
    int is[OPTIONS] = {0};
    uint32_t batch = 0, again = 0;
    for (int i = 2; i < argc; i++) {
        for (int k = 0; k < OPTIONS; k++)
            is[k] |= strcmp(argv[i], options[k]) == 0;
        if (strncmp(argv[i], "batch=", 6) == 0)
            batch = (uint32_t)strtoul(argv[i] + 6, NULL, 10);
        if (strncmp(argv[i], "again=", 6) == 0)
            again = (uint32_t)strtoul(argv[i] + 6, NULL, 10);
    }
    state += (uint64_t)(batch + again) << 40;
    if (is[STATISTICS]) {
        write_statistics(wanted);
        return 0;
    }
    row *rows = malloc((wanted + 1) * sizeof *rows);
    if (rows == NULL)
        return fputs("out of memory\n", stderr), 1;
    const uint32_t span = 180u * 86400u;
    uint32_t user = batch << 22; /* room for the people of 60 million events */
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
                rows[count] = (row){at, is[ONCE] ? (uint32_t)count : is[SINGLE] ? 0 : user, event};
                count++;
                if (event == EXIT)
                    break;
                event = move(event);
                at += (uint32_t)(-log(1.0 - uniform()) * 55.0);
            }
            second = at + (uint32_t)(-log(1.0 - uniform()) * 4.0 * 86400.0);
        }
    }
    if (!is[GROUPED])
        qsort(rows, count, sizeof *rows, by_time);
    static char buffer[1 << 20];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    fputs("user_id,event,ts,value", stdout);
    for (unsigned p = 0; is[WIDE] && p < 200; p++)
        printf(",p%u", p + 1);
    if (is[CHANNEL])
        fputs(",channel", stdout);
    putchar('\n');
    for (size_t i = 0; i < count; i++)
        write_row(&rows[i], is[STRINGS], is[NAMES], is[WIDE], is[CHANNEL]);
    fprintf(stderr, "%zu events\n", count);
    free(rows);
    return 0;
}
