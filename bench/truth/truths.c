/* The truths: parameters of one general person, and the few that need code of their own.
**
** Counts: event j ~ Poisson(mean_j exp(0.6 e + f + own_j)), the metric ~ Poisson(exp(m0 + me e +
** mf f + ms s + own)); f ~ N(0, phi) is activity that has nothing to do with engagement. Log odds
** of the outcome: oe e + oz z + ov v + ox x and what `link` adds. scenarios.lua says what each is
** for. */
#include "inside.h"

#include <string.h>

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
    {.name = "weekend", .phi = 0.3, .m0 = 0, .ms = 0.5, .oe = 0.5, .link = WEEKEND},
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

const double truth_means[OTHERS] = {3, 2.2, 1.6, 1.2, 0.9, 0.6, 0.45, 0.3, 0.22, 0.15};

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

/* 1 on days 6 and 7 of each week: the log starts on a Monday. */
static int weekend_at(double entry)
{
    return (int)(entry * 100) % 7 >= 5;
}

static void count_others(const truth *t, person *p, wp_rng *rng)
{
    double own = t->own > 0 ? t->own : 0.6;
    for (int j = 0; j < OTHERS; j++) {
        double noise = own * normal(rng) - own * own / 2;
        double f = t->layout == HALVES ? 0 : p->f;
        p->other[j] = poisson(rng, truth_means[j] * exp(0.6 * p->e + f + noise));
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
    if (t->link == WEEKEND)
        log_mean += 1.2 * weekend_at(p->entry);
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
    case WEEKEND:
        return link + 1.0 * weekend_at(p->entry);
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
