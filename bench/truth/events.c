/* The events that people leave: when they come, what they do, when they buy. */
#include "inside.h"

enum { DAY = 86400, START = 1704067200 };

/* Writes a whole number of at least 0; printf would be half of a run. */
static char *put_number(char *to, long long number)
{
    char digits[24];
    int count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        *to++ = digits[--count];
    return to;
}

static char *put_text(char *to, const char *text)
{
    while (*text != 0)
        *to++ = *text++;
    return to;
}

/* Names have less than 32 characters, values less than 400. */
static void row(const person *p, const char *name, double day, const char *value)
{
    char line[640], *to = put_number(line, p->id);
    *to++ = ',';
    to = put_text(to, name);
    *to++ = ',';
    to = put_number(to, START + (long long)(p->entry * 100 * DAY) + (long long)(day * DAY));
    *to++ = ',';
    to = put_text(to, value);
    *to++ = ',';
    to = put_number(to, p->channel);
    *to++ = ',';
    to = put_number(to, p->account);
    *to++ = '\n';
    fwrite(line, 1, (size_t)(to - line), stdout);
}

static void event(const person *p, const char *name, double day)
{
    row(p, name, day, "");
}

static void numbered(const person *p, const char *stem, int number, double day)
{
    char name[32];
    *put_number(put_text(name, stem), number) = 0;
    event(p, name, day);
}

static void purchase(const truth *t, const person *p, double day, wp_rng *rng)
{
    char value[400]; /* any double fits */
    snprintf(value, sizeof value, "%.2f", exp(3 + (t->money > 0 ? t->money : 1) * normal(rng)));
    row(p, "purchase", day, value);
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
            double mean = truth_means[j] / 2 * exp(0.6 * p->e + half[k] - t->phi * t->phi / 2);
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
        if (at < truth_means[j])
            return j + 1;
        at -= truth_means[j];
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
