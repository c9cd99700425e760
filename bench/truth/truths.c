/* The truths: parameters of one general person, and the few that need code of their own.
**
** Counts: event j ~ Poisson(mean_j exp(0.6 e + f + own_j)), the metric ~ Poisson(exp(m0 + me e +
** mf f + ms s + own)); f ~ N(0, phi) is activity that has nothing to do with engagement. Log odds
** of the outcome: oe e + oz z + ov v + ox x and what `link` adds. scenarios.lua says what each is
** for. */
#include "truths.h"

#include <math.h>
#include <string.h>

enum link {
    PLAIN,
    DOSE,
    SEGMENT_ONE,
    SEGMENT_OPPOSITE,
    SEGMENT_EIGHT,
    DECAY,
    SIMPSON,
    LINKED_TOO,
    HAS,
    LAUNCH,
    SEASON,
    ACCOUNT,
    CURVE
};
enum layout { WEEK, HALVES, INFORMED, LAPSE, DAILY, STEP, RETRY, IMMORTAL, TWIN, BOARDS, SHARED };

struct truth {
    const char *name;
    double phi, own, m0, me, mf, ms, mo; /* counts */
    double oe, oz, ov, ox;               /* outcome */
    enum link link;
    enum layout layout;
    double rare;     /* share of people who have the metric at all; 0: counts as above */
    double from_day; /* the metric exists since, in days of the log (LAPSE: of the person) */
    double bots;     /* share of bots */
    double growth;   /* 0: arrivals uniform over 100 days; else most come late */
    double money;    /* log SD of a purchase's value; 0: 1 */
};

#define NOISY  .m0 = 0.1823215568, .me = 0.6, .oe = 0.8
#define LINKED .phi = 0.3, .m0 = -0.3, .me = 0.35, .mf = 0.3, .ms = 0.75
#define THIN   .phi = 0.3, .m0 = 0.2623642645, .me = 0.6, .mf = 1

static const truth truths[] = {
    /* Nothing to do with anything. */
    {.name = "null", .phi = 0.3, .m0 = -0.2, .ms = 0.7, .oe = 0.8},
    {.name = "null_heavy", .phi = 0.3, .m0 = -0.7, .ms = 1.6, .oe = 0.8},
    {.name = "null_money", .phi = 0.3, .m0 = -0.7, .ms = 1.2, .oe = 0.8, .money = 2},
    /* A random part of activity, and activity drives the outcome. */
    {.name = "thin", THIN, .oz = 0.8},
    {.name = "thin_hi", .phi = 0.3, .m0 = 1.3862943611, .me = 0.6, .mf = 1, .oz = 0.8},
    {.name = "bots", THIN, .oz = 0.8, .bots = 0.025},
    /* Engagement drives the outcome; activity is a noisy picture of it, the metric a clean one. */
    {.name = "noisy_p", NOISY},
    {.name = "noisy_2", NOISY, .phi = 0.25},
    {.name = "noisy_4", NOISY, .phi = 0.4},
    {.name = "noisy_5", NOISY, .phi = 0.5},
    {.name = "noisy_7", NOISY, .phi = 0.7},
    {.name = "noisy_7sh", NOISY, .phi = 0.7, .mf = 1},
    {.name = "noisy_4hi", .phi = 0.4, .m0 = 1.3862943611, .me = 0.6, .oe = 0.8},
    {.name = "noisy_4inf", NOISY, .phi = 0.4, .layout = INFORMED},
    {.name = "noisy_own", NOISY, .phi = 0.3, .own = 0.72, .mo = 0.4},
    {.name = "noisy_half", NOISY, .phi = 0.75, .layout = HALVES},
    {.name = "noisy_half9", NOISY, .phi = 0.9, .layout = HALVES},
    {.name = "noisy_curve", NOISY, .phi = 0.4, .link = CURVE},
    {.name = "noisy_money", NOISY, .phi = 0.4, .money = 1.5},
    /* A link of its own. */
    {.name = "real35", LINKED, .oe = 0.5, .ox = 0.35},
    {.name = "real60", LINKED, .oe = 0.5, .ox = 0.6},
    {.name = "real100", LINKED, .oe = 0.5, .ox = 1.0},
    {.name = "real60lk", LINKED, .oe = 0.5, .ox = 0.6, .link = LINKED_TOO},
    {.name = "real60c",
     .phi = 0.3,
     .m0 = -0.1,
     .me = 0.55,
     .mf = 0.8,
     .ms = 0.5,
     .oe = 0.5,
     .ox = 0.6},
    {.name = "dose", LINKED, .oe = 0.5, .link = DOSE},
    {.name = "reversed", LINKED, .oe = 0.6, .ox = -0.6},
    {.name = "weak", LINKED, .oe = 0.5, .ox = 0.09},
    {.name = "edge", LINKED, .ov = 0.6, .ox = 0.1823215568},
    {.name = "seg_one", LINKED, .oe = 0.5, .link = SEGMENT_ONE},
    {.name = "seg_opp", LINKED, .oe = 0.5, .link = SEGMENT_OPPOSITE},
    {.name = "seg_eight", LINKED, .oe = 0.5, .link = SEGMENT_EIGHT},
    {.name = "decay", LINKED, .oe = 0.5, .link = DECAY},
    {.name = "simpson", .phi = 0.3, .oe = 0.5, .link = SIMPSON},
    {.name = "growing", LINKED, .oe = 0.5, .ox = 0.6, .growth = 1},
    /* Few people have the metric. */
    {.name = "rare4_null", .phi = 0.4, .oe = 0.8, .rare = 0.04},
    {.name = "rare4_or2", .phi = 0.3, .oe = 0.5, .rare = 0.04, .link = HAS, .ox = 0.6931471806},
    {.name = "rare15_or16", .phi = 0.3, .oe = 0.5, .rare = 0.15, .link = HAS, .ox = 0.4700036292},
    {.name = "twenty", .phi = 0.4, .m0 = -2.2, .me = 0.9, .oe = 0.8},
    /* Time and groups. */
    {.name = "launch", .phi = 0.3, .m0 = 0.4, .ms = 0.7, .oe = 0.5, .from_day = 50, .link = LAUNCH},
    {.name = "season", .phi = 0.3, .m0 = 0, .ms = 0.5, .oe = 0.5, .link = SEASON},
    {.name = "account", .phi = 0.3, .m0 = -0.3, .me = 0.35, .oe = 0.5, .link = ACCOUNT},
    {.name = "lapse_thin", .layout = LAPSE},
    {.name = "lapse_late", .layout = LAPSE, .from_day = 4},
    {.name = "daily_real", .layout = DAILY, .ox = 1},
    {.name = "daily_null", .layout = DAILY},
    {.name = "step", .layout = STEP},
    {.name = "step_slow", .layout = STEP, .from_day = 0.25},
    {.name = "retry", .layout = RETRY},
    {.name = "immortal", .phi = 0.3, .layout = IMMORTAL},
    {.name = "twin", .phi = 0.3, .m0 = -0.3, .me = 0.35, .oe = 0.5, .layout = TWIN},
    {.name = "shared", LINKED, .oe = 0.5, .ox = 0.6, .layout = SHARED},
    {.name = "board", .phi = 0.3, .oe = 0.5, .layout = BOARDS},
};

enum { TRUTHS = sizeof truths / sizeof truths[0] };

static const double means[OTHERS] = {3, 2.2, 1.6, 1.2, 0.9, 0.6, 0.45, 0.3, 0.22, 0.15};

const truth *truth_find(const char *name)
{
    for (int i = 0; i < TRUTHS; i++)
        if (strcmp(truths[i].name, name) == 0)
            return &truths[i];
    return NULL;
}

void truth_list(FILE *file)
{
    for (int i = 0; i < TRUTHS; i++)
        fprintf(file, "%s\n", truths[i].name);
}

/* --- Random numbers ------------------------------------------------------------------------- */

static double uniform(wp_rng *rng)
{
    return wp_rng_uniform(rng);
}

static double normal(wp_rng *rng)
{
    double radius = sqrt(-2 * log(1 - uniform(rng)));
    return radius * cos(6.283185307179586 * uniform(rng));
}

static double exponential(wp_rng *rng, double mean)
{
    return -mean * log(1 - uniform(rng));
}

/* By multiplication, in parts of at most 30; means beyond 400 count as 400. */
static int poisson(wp_rng *rng, double mean)
{
    int count = 0;
    mean = mean > 400 ? 400 : mean;
    while (mean > 0) {
        double part = mean > 30 ? 30 : mean, limit = exp(-part), product = uniform(rng);
        for (; product > limit; count++)
            product *= uniform(rng);
        mean -= part;
    }
    return count;
}

static int binomial(wp_rng *rng, int n, double chance)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        count += uniform(rng) < chance;
    return count;
}

static double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

/* --- People ----------------------------------------------------------------------------------- */

/* One account of about five people each; what the account shares follows from its number. */
static void join_account(person *p, wp_rng *rng)
{
    long accounts = p->users / 5 + 1;
    p->account = (int)(uniform(rng) * (double)accounts);
    wp_rng own;
    wp_rng_seed(&own, (uint64_t)p->account * 7919 + (uint64_t)p->users, 3);
    p->account_trait = normal(&own);
    p->account_metric = normal(&own);
}

static double season_at(double entry)
{
    return sin(6.283185307179586 * entry * 3);
}

static void count_others(const truth *t, person *p, wp_rng *rng)
{
    double own = t->own > 0 ? t->own : 0.6;
    for (int j = 0; j < OTHERS; j++) {
        double noise = own * normal(rng) - own * own / 2;
        double f = t->layout == HALVES ? 0 : p->f;
        p->other[j] = poisson(rng, means[j] * exp(0.6 * p->e + f + noise));
        p->volume += p->other[j];
    }
}

static void count_metric(const truth *t, person *p, wp_rng *rng)
{
    double log_mean = t->m0 + t->me * p->e + t->mf * p->f + t->ms * p->s;
    if (t->mo > 0)
        log_mean += t->mo * normal(rng) - t->mo * t->mo / 2;
    if (t->link == SIMPSON)
        log_mean = p->channel ? 1.3 : -0.6;
    if (t->link == SEASON)
        log_mean += 0.8 * season_at(p->entry);
    if (t->link == ACCOUNT)
        log_mean += 0.8 * p->account_metric;
    p->metric = poisson(rng, exp(log_mean));
    if (t->rare > 0)
        p->metric = uniform(rng) < t->rare;
    if (t->from_day > 0 && t->layout == WEEK && p->entry * 100 < t->from_day)
        p->metric = 0;
}

/* Only the number of events counts for bots, who never convert. */
static void make_bot(person *p, wp_rng *rng)
{
    p->bot = 1;
    for (int j = 0; j < OTHERS; j++)
        p->other[j] += 40;
    p->volume += 40 * OTHERS;
    p->metric = 30 + (int)(uniform(rng) * 370);
}

void truth_person(const truth *t, person *p, wp_rng *rng)
{
    long id = p->id, users = p->users;
    memset(p, 0, sizeof *p);
    p->id = id;
    p->users = users;
    p->e = normal(rng);
    p->f = t->phi * normal(rng) - t->phi * t->phi / 2;
    p->s = normal(rng);
    p->entry = uniform(rng);
    if (t->growth > 0) /* three in four of those who ever come came in the last 37 days */
        p->entry = log(1 + p->entry * (exp(5.0) - 1)) / 5.0 * 1.37;
    if (t->link == SEGMENT_EIGHT)
        p->channel = (int)(8 * uniform(rng));
    else
        p->channel = uniform(rng) < logistic(0.5 * p->e);
    if (t->link == ACCOUNT)
        join_account(p, rng);
    if (t->layout == HALVES)
        p->half = t->phi * normal(rng);
    count_others(t, p, rng);
    count_metric(t, p, rng);
    if (t->bots > 0 && uniform(rng) < t->bots)
        make_bot(p, rng);
    p->total = p->volume + p->metric;
}

double truth_link(const truth *t, const person *p)
{
    double link = t->oe * p->e + t->oz * p->z + t->ov * p->v;
    switch (t->link) {
    case DOSE:
        return link + 0.7 * (p->metric < 3 ? p->metric : 3);
    case SEGMENT_ONE:
        return link + (p->channel ? p->x : 0);
    case SEGMENT_OPPOSITE:
        return link + (p->channel ? 1.0 : -0.8) * p->x;
    case SEGMENT_EIGHT:
        return link + (p->channel == 0 ? 2.0 : 0) * p->x;
    case DECAY: {
        double effect = 1.3 - 1.8 * p->entry;
        return link + (effect < -0.2 ? -0.2 : effect) * p->x;
    }
    case SIMPSON:
        return link + 1.6 * p->channel - 0.88 * log1p(p->metric);
    case LINKED_TOO:
        for (int j = 1; j < 4; j++)
            link += 0.4 * (log1p(p->other[j]) - 0.8) / 0.6;
        return link + t->ox * p->x;
    case HAS:
        return link + (p->metric > 0 ? t->ox : 0);
    case LAUNCH:
        return link + (p->entry * 100 >= 50 ? 1.0 : 0);
    case SEASON:
        return link + 0.8 * season_at(p->entry);
    case ACCOUNT:
        return link + 1.2 * p->account_trait;
    case CURVE:
        return t->oe * (p->e > 0.8 ? 2.5 : 0.3 * p->e);
    case PLAIN:
        break;
    }
    if (p->bot)
        return -30;
    return link + t->ox * p->x;
}

/* --- Events ----------------------------------------------------------------------------------- */

enum { DAY = 86400, START = 1704067200 };

static void event(const person *p, const char *name, double day)
{
    long long at = START + (long long)(p->entry * 100 * DAY) + (long long)(day * DAY);
    printf("%ld,%s,%lld,,%d,%d\n", p->id, name, at, p->channel, p->account);
}

static void numbered(const person *p, const char *stem, int number, double day)
{
    char name[32];
    snprintf(name, sizeof name, "%s%d", stem, number);
    event(p, name, day);
}

static void purchase(const truth *t, const person *p, double day, wp_rng *rng)
{
    long long at = START + (long long)(p->entry * 100 * DAY) + (long long)(day * DAY);
    double value = exp(3 + (t->money > 0 ? t->money : 1) * normal(rng));
    printf("%ld,purchase,%lld,%.2f,%d,%d\n", p->id, at, value, p->channel, p->account);
}

/* Days and sessions of the week: what v says about them, or with INFORMED what e says. */
typedef struct week {
    double start[64];
    int sessions;
} week;

static void plan_week(const truth *t, const person *p, week *w, wp_rng *rng)
{
    int days, total = p->volume + p->metric;
    if (t->layout == INFORMED) {
        days = 1 + binomial(rng, 6, logistic(-0.7 + 0.9 * p->e));
        w->sessions = 1 + poisson(rng, exp(0.7 + 0.4 * p->e));
    } else {
        days = 1 + binomial(rng, 6, 1 - exp(-total / 9.0));
        w->sessions = 1 + binomial(rng, total, 0.25);
    }
    w->sessions = w->sessions > 64 ? 64 : w->sessions;
    int order[7] = {0, 1, 2, 3, 4, 5, 6};
    for (int i = 1; i < 6; i++) { /* the first day is always one of them */
        int j = i + (int)(uniform(rng) * (7 - i)), keep = order[i];
        order[i] = order[j];
        order[j] = keep;
    }
    for (int i = 0; i < w->sessions; i++)
        w->start[i] = order[(int)(uniform(rng) * days)] + uniform(rng) * 0.95;
    w->start[0] = 0;
}

/* A moment in one of the person's sessions, minutes after its start. */
static double moment(const week *w, wp_rng *rng)
{
    double at = w->start[(int)(uniform(rng) * w->sessions)] + exponential(rng, 6.0 / 1440);
    return at < 6.999 ? at : 6.999;
}

static void emit_week(const truth *t, const person *p, wp_rng *rng)
{
    week w;
    plan_week(t, p, &w, rng);
    event(p, "start", 0);
    for (int j = 0; j < OTHERS; j++) {
        for (int i = 0; i < p->other[j]; i++)
            numbered(p, "event", j + 1, moment(&w, rng));
    }
    for (int i = 0; i < p->metric; i++)
        event(p, "metric", moment(&w, rng));
}

/* Activity noise that lasts half a week: each half has its own factor. */
static void emit_halves(const truth *t, const person *p, wp_rng *rng)
{
    event(p, "start", 0);
    double half[2] = {p->half, t->phi * normal(rng)};
    for (int j = 0; j < OTHERS; j++)
        for (int k = 0; k < 2; k++) {
            double mean = means[j] / 2 * exp(0.6 * p->e + half[k] - t->phi * t->phi / 2);
            for (int i = poisson(rng, mean); i > 0; i--)
                numbered(p, "event", j + 1, 3.5 * (k + uniform(rng)));
        }
    for (int i = 0; i < p->metric; i++)
        event(p, "metric", 7 * uniform(rng));
}

static int pick_other(wp_rng *rng)
{
    double at = uniform(rng) * 10.62;
    for (int j = 0; j < OTHERS - 1; j++) {
        if (at < means[j])
            return j + 1;
        at -= means[j];
    }
    return OTHERS;
}

/* People come at their own pace until they lose interest; the metric is a random 15 % of what they
** do (LAPSE with from_day: only from then on, like a digest sent late). Purchases come at the same
** pace as everything, while interest lasts. */
static void emit_lapse(const truth *t, const person *p, double log_odds, wp_rng *rng)
{
    double pace = exp(0.3 + 0.8 * p->s), interest = exponential(rng, 9 * exp(0.5 * p->e));
    double end = interest < 37 ? interest : 37, hazard = logistic(log_odds) / 30;
    event(p, "start", 0);
    for (double at = exponential(rng, 1 / pace); at < end; at += exponential(rng, 1 / pace)) {
        if (at >= t->from_day && uniform(rng) < 0.15)
            event(p, "metric", at);
        else
            numbered(p, "event", pick_other(rng), at);
    }
    double at = exponential(rng, 1 / (3 * hazard));
    if (at < end)
        purchase(t, p, at, rng);
}

/* Everybody comes every day; the metric and purchases happen minutes after opening. */
static void emit_daily(const truth *t, const person *p, double log_odds, wp_rng *rng)
{
    double hazard = logistic(log_odds + t->ox * 0.6 * p->s) / 30;
    for (int day = 0; day < 37; day++) {
        event(p, day == 0 ? "start" : "open", day + (day > 0) * 0.5);
        if (uniform(rng) < logistic(p->s))
            event(p, "metric", day + 0.505);
        for (int i = poisson(rng, 0.5 * exp(0.5 * p->e)); i > 0; i--)
            numbered(p, "event", pick_other(rng), day + 0.5 + uniform(rng) * 0.02);
        if (uniform(rng) < hazard)
            purchase(t, p, day + 0.51, rng);
    }
}

/* The metric is a step on the way to the purchase: minutes (or from_day) before it. */
static void emit_step(const truth *t, const person *p, double log_odds, wp_rng *rng)
{
    week w;
    plan_week(t, p, &w, rng);
    event(p, "start", 0);
    for (int j = 0; j < OTHERS; j++)
        for (int i = 0; i < p->other[j]; i++)
            numbered(p, "event", j + 1, moment(&w, rng));
    if (uniform(rng) < 2.5 * logistic(log_odds + 0.6 * p->e)) {
        double at = 2 + exponential(rng, 9), lag = t->from_day > 0 ? 4 * t->from_day : 0.8;
        double near = t->from_day > 0 ? t->from_day : 0.01;
        double early = at - uniform(rng) * lag;
        event(p, "metric", early > 0.01 ? early : 0.01);
        event(p, "metric", at - uniform(rng) * near);
        purchase(t, p, at, rng);
    } else if (uniform(rng) < 0.02) {
        event(p, "metric", uniform(rng) * 7);
    }
}

/* Some people are out to buy: they start a checkout now and then, and finish half of them. */
static void emit_retry(const truth *t, const person *p, double log_odds, wp_rng *rng)
{
    week w;
    plan_week(t, p, &w, rng);
    event(p, "start", 0);
    for (int j = 0; j < OTHERS; j++)
        for (int i = 0; i < p->other[j]; i++)
            numbered(p, "event", j + 1, moment(&w, rng));
    double mean = 8 * exp(-0.5 * p->s) / (4 * logistic(log_odds) + 0.05);
    for (double at = exponential(rng, mean); at < 37; at += exponential(rng, mean)) {
        event(p, "metric", at);
        if (uniform(rng) < 0.5)
            purchase(t, p, at + 0.005, rng);
    }
}

/* The metric goes on five times as fast once the purchase is made; before, it says nothing. */
static void emit_immortal(const truth *t, const person *p, double log_odds, wp_rng *rng)
{
    double hazard = logistic(log_odds) / 30, bought = exponential(rng, 1 / hazard);
    event(p, "start", 0);
    for (int j = 0; j < OTHERS; j++)
        for (int i = 0; i < p->other[j]; i++)
            numbered(p, "event", j + 1, 7 * uniform(rng));
    for (double at = 0; at < 40;) {
        at += exponential(rng, at < bought ? 5 : 1);
        if (at < 40)
            event(p, "metric", at);
    }
    if (bought < 40)
        purchase(t, p, bought, rng);
}

/* 200 metrics: 20 linked (0.35 each per SD of their trait), 80 unrelated, 100 random parts of
** activity. Linked ones are m1 to m20. */
static void emit_board(const truth *t, const person *p, double log_odds, wp_rng *rng)
{
    event(p, "start", 0);
    for (int j = 0; j < OTHERS; j++)
        for (int i = 0; i < p->other[j]; i++)
            numbered(p, "event", j + 1, 7 * uniform(rng));
    for (int m = 1; m <= BOARD; m++) {
        double own = normal(rng), log_mean = -0.5;
        if (m <= 20) {
            log_mean += 0.9 * own;
            log_odds += 0.35 * own;
        } else if (m <= 100) {
            log_mean += 0.9 * own;
        } else {
            log_mean += 0.6 * p->e + p->f;
        }
        for (int i = poisson(rng, exp(log_mean)); i > 0; i--)
            numbered(p, "m", m, 7 * uniform(rng));
    }
    if (uniform(rng) < logistic(log_odds))
        purchase(t, p, 7 + 30 * uniform(rng), rng);
}

void truth_emit(const truth *t, const person *p, double log_odds, wp_rng *rng)
{
    switch (t->layout) {
    case LAPSE:
        emit_lapse(t, p, log_odds, rng);
        return;
    case DAILY:
        emit_daily(t, p, log_odds, rng);
        return;
    case STEP:
        emit_step(t, p, log_odds, rng);
        return;
    case RETRY:
        emit_retry(t, p, log_odds, rng);
        return;
    case IMMORTAL:
        emit_immortal(t, p, log_odds, rng);
        return;
    case BOARDS:
        emit_board(t, p, log_odds, rng);
        return;
    case HALVES:
        emit_halves(t, p, rng);
        break;
    default:
        emit_week(t, p, rng);
        break;
    }
    if (t->layout == SHARED) /* the outcome's event also happens before, by taste */
        for (int i = poisson(rng, 0.5 * exp(0.5 * p->e)); i > 0; i--)
            purchase(t, p, 7 * uniform(rng) * 0.999 + 0.001, rng);
    if (uniform(rng) < logistic(log_odds)) {
        double at = 7 + 30 * uniform(rng);
        purchase(t, p, at, rng);
        if (t->layout == TWIN)
            event(p, "confirmed", at);
    }
    if (t->layout == TWIN) /* earlier purchases, each confirmed in the same instant */
        for (int i = poisson(rng, 0.4 * exp(0.5 * p->e)); i > 0; i--) {
            double at = 7 * uniform(rng) * 0.999;
            purchase(t, p, at, rng);
            event(p, "confirmed", at);
        }
}
