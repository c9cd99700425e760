/* Writes event logs whose truth is known: who does what in a first week, and why they convert.
**
**     cc -O2 -Icsrc -o simulate bench/truth/{simulate,truths,events}.c -lm
**     ./simulate list                                     names of the truths
**     ./simulate calibrate TRUTH RATE                     one line of numbers for `write`
**     ./simulate write TRUTH USERS SEED NUMBERS >log.csv  user,event,time,value,channel,account
**
** A person has engagement e, activity noise f, a trait s of their own, ten kinds of other events
** and a metric; what leads to the outcome is the truth's link (truths.c). Calibration draws
** 20,000 people from a seed of its own, standardises metric and volume, and finds the intercept
** for the base rate. Equal arguments give equal bytes. Cost: about 0.2 us per event. */
#include "truths.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PILOT = 20000, PILOT_SEED = 987654321 };

static void standardise(double *mean, double *sd, const double *v, int n)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++)
        sum += v[i];
    *mean = sum / n;
    for (int i = 0; i < n; i++)
        squares += (v[i] - *mean) * (v[i] - *mean);
    *sd = squares > 0 ? sqrt(squares / (n - 1)) : 1;
}

static void place(person *p, const world *w)
{
    p->x = (log1p(p->metric) - w->metric_mean) / w->metric_sd;
    p->z = (log1p(p->total) - w->total_mean) / w->total_sd;
    p->v = (log1p(p->volume) - w->volume_mean) / w->volume_sd;
}

static double rate_at(const double *link, int n, double intercept)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += 1 / (1 + exp(-intercept - link[i]));
    return sum / n;
}

/* Moments of log metric and volume over the pilot, then the intercept by bisection. */
static int calibrate(const truth *t, double rate, world *w)
{
    person *people = malloc(PILOT * sizeof *people);
    double *number = malloc(PILOT * sizeof *number);
    if (people == NULL || number == NULL)
        return free(people), free(number), 1;
    wp_rng rng;
    wp_rng_seed(&rng, PILOT_SEED, 1);
    for (int i = 0; i < PILOT; i++) {
        people[i].id = i + 1;
        people[i].users = PILOT;
        truth_person(t, &people[i], &rng);
    }
    for (int i = 0; i < PILOT; i++)
        number[i] = log1p(people[i].metric);
    standardise(&w->metric_mean, &w->metric_sd, number, PILOT);
    for (int i = 0; i < PILOT; i++)
        number[i] = log1p(people[i].total);
    standardise(&w->total_mean, &w->total_sd, number, PILOT);
    for (int i = 0; i < PILOT; i++)
        number[i] = log1p(people[i].volume);
    standardise(&w->volume_mean, &w->volume_sd, number, PILOT);
    for (int i = 0; i < PILOT; i++) {
        place(&people[i], w);
        number[i] = truth_link(t, &people[i]);
    }
    double low = -40, high = 40;
    for (int i = 0; i < 60; i++) {
        double middle = (low + high) / 2;
        if (rate_at(number, PILOT, middle) < rate)
            low = middle;
        else
            high = middle;
    }
    w->intercept = (low + high) / 2;
    free(people);
    free(number);
    return 0;
}

static void write_log(const truth *t, const world *w, long users, uint64_t seed)
{
    static char buffer[1 << 18];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    puts("user,event,time,value,channel,account");
    wp_rng rng;
    wp_rng_seed(&rng, seed, 2);
    for (long i = 1; i <= users; i++) {
        person p;
        p.id = i;
        p.users = users;
        truth_person(t, &p, &rng);
        place(&p, w);
        truth_emit(t, &p, w->intercept + truth_link(t, &p), &rng);
    }
}

static int read_world(world *w, char **argv)
{
    double *field[] = {&w->intercept, &w->metric_mean, &w->metric_sd, &w->total_mean,
                       &w->total_sd,  &w->volume_mean, &w->volume_sd};
    for (int i = 0; i < 7; i++) {
        char *end;
        *field[i] = strtod(argv[i], &end);
        if (end == argv[i])
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return truth_list(stdout), 0;
    const truth *t = argc > 2 ? truth_find(argv[2]) : NULL;
    if (argc > 2 && t == NULL)
        return fprintf(stderr, "simulate: unknown truth '%s'\n", argv[2]), 2;
    world w;
    if (argc == 4 && strcmp(argv[1], "calibrate") == 0) {
        if (calibrate(t, strtod(argv[3], NULL), &w) != 0)
            return fputs("simulate: out of memory\n", stderr), 1;
        printf("%.17g %.17g %.17g %.17g %.17g %.17g %.17g\n", w.intercept, w.metric_mean,
               w.metric_sd, w.total_mean, w.total_sd, w.volume_mean, w.volume_sd);
        return 0;
    }
    if (argc == 12 && strcmp(argv[1], "write") == 0 && read_world(&w, argv + 5) == 0) {
        write_log(t, &w, strtol(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
        return fflush(stdout) != 0;
    }
    fputs("usage: simulate list | calibrate TRUTH RATE | write TRUTH USERS SEED NUMBERS\n", stderr);
    return 2;
}
