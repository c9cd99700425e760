"""The steps of one verdict with numpy and scipy: python3 verdict.py FOLDER THREADS

Reads what bench/verdict.lua wrote (not timed) and takes the same steps on the same users: the
baseline of activity, the fits (crude, beside activity, discovery, holdout, noise, cohorts,
segments, common cause, tail, placebos), DeLong, Spearman, 999 permutations within volume deciles,
100 subsets by influences, 1,999 bootstraps of the AUC. Fits are Newton's steps on dense columns
with BLAS, as an expert would write them; statsmodels' take several times longer.
"""
import os, sys
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = sys.argv[2]
import glob, json, resource, time
import numpy as np
from scipy.special import expit
from scipy.stats import rankdata

folder = sys.argv[1]


def read(name):
    return np.fromfile(f"{folder}/{name}.f64")


y, m, entry, volume, total = (read(n) for n in ("y", "m", "entry", "volume", "total"))
days, sessions, silence, channel = (read(n) for n in ("days", "sessions", "silence", "channel"))
counts = [np.fromfile(path) for path in sorted(glob.glob(f"{folder}/placebo*.f64"))]
DAY = 86400e6
LEVELS = [0.05, 0.35, 0.65, 0.95]


def standardise(v, learn=None):
    part = v if learn is None else v[learn]
    return (v - part.mean()) / part.std(ddof=1)


def spline(v, knots):
    last, before, span = knots[-1], knots[-2], knots[-1] - knots[-2]
    cube = lambda t: np.maximum(v - t, 0) ** 3
    top, low = cube(last), cube(before)
    return [(cube(t) - low * (last - t) / span + top * (before - t) / span) / (last - knots[0]) ** 2
            for t in knots[:-2]]


def curve(v, at, learn=None):
    knots = np.unique(np.quantile(v if learn is None else v[learn], at))
    return spline(v, knots) if len(knots) >= 3 else []


def independent(columns):
    """Places of the columns that earlier ones do not explain, and the matrix of correlations."""
    r = np.corrcoef(np.array(columns))
    kept = []
    for i in range(len(columns)):
        left = 1.0
        if kept:
            left -= r[i, kept] @ np.linalg.solve(r[np.ix_(kept, kept)], r[kept, i])
        if left > 1e-9:
            kept.append(i)
    return kept, r


def calendar(t0, learn=None):
    t = standardise(t0, learn)
    columns = [t] + curve(t, np.linspace(0.05, 0.95, 8))
    if t0.max() - t0.min() >= 21 * DAY:
        weekday = np.floor(t0 / DAY) % 7
        columns += [(weekday == k).astype(float) for k in range(1, 7)]
    kept, _ = independent(columns)
    return [columns[i] for i in kept]


def logistic(columns, target):
    """Estimates and covariance by Newton's steps, the intercept first."""
    x = np.column_stack([np.ones(len(target))] + columns)
    b = np.zeros(x.shape[1])
    b[0] = np.log(target.mean() / (1 - target.mean()))
    for _ in range(50):
        p = expit(x @ b)
        information = (x * (p * (1 - p))[:, None]).T @ x
        gradient = x.T @ (target - p)
        step = np.linalg.solve(information, gradient)
        b += step
        if gradient @ step < 1e-9:
            break
    return b, np.linalg.inv(information)


def loglik(columns, b, target):
    eta = np.column_stack([np.ones(len(target))] + columns) @ b
    return (target * eta - np.logaddexp(0, eta)).sum()


def scaled(count, learn):
    share = (count != 0).mean()
    if share < 0.2 or count.max() <= 1:
        return (count != 0).astype(float)
    return standardise(np.log1p(count), learn)


def delong(score, target):
    positive = target == 1
    n1, n0 = positive.sum(), (~positive).sum()
    ranks = rankdata(score)
    v1 = (ranks[positive] - rankdata(score[positive])) / n0
    v0 = 1 - (ranks[~positive] - rankdata(score[~positive])) / n1
    auc = (ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)
    return auc, np.sqrt(v1.var(ddof=1) / n1 + v0.var(ddof=1) / n0)


def bootstrap_of_auc(score, target, resamples, draw):
    """On the cells of score and target."""
    values, place = np.unique(score, return_inverse=True)
    cells = np.bincount(2 * place + target.astype(int), minlength=2 * len(values))
    drawn = draw.multinomial(len(score), cells / len(score), size=resamples)
    no, yes = drawn[:, 0::2], drawn[:, 1::2]
    below = np.cumsum(no, axis=1) - no
    return ((yes * (below + no / 2)).sum(axis=1) / yes.sum(axis=1) / no.sum(axis=1)).std(ddof=1)


def permutations(x, resamples, draw):
    deciles = np.minimum(9, np.floor(10 * (rankdata(volume) - 0.5) / len(volume)))
    sums = np.zeros(resamples)
    for d in np.unique(deciles):
        inside = deciles == d
        part, events = x[inside], int(y[inside].sum())
        for i in range(resamples):
            sums[i] += part[draw.choice(len(part), events, replace=False, shuffle=False)].sum()
    return sums


def verdict():
    draw = np.random.default_rng(1)
    auc, _ = delong(m, y)
    np.corrcoef(rankdata(m), rankdata(y))
    learn = entry <= np.quantile(entry, 0.7)
    x = scaled(m, learn)
    levels, sizes = np.unique(channel, return_counts=True)
    common = levels[np.argmax(sizes)]
    segments = [(channel == level).astype(float) for level in levels if level != common]
    before = calendar(entry, learn) + segments
    quiet = standardise(silence, learn)
    presence = [standardise(np.log1p(days), learn), standardise(np.log1p(sessions), learn), quiet]
    presence += curve(quiet, LEVELS, learn)

    def baseline(of_volume, metric):
        z = standardise(np.log1p(of_volume), learn)
        columns = before + [z] + curve(z, LEVELS, learn) + presence + [quiet * z]
        kept, r = independent(columns + [metric])
        return z, [columns[i] for i in kept if i < len(columns)], r

    logistic([x], y)
    z, base, _ = baseline(volume, x)
    full, covariance = logistic(base + [x], y)
    reduced, _ = logistic(base, y)
    assert loglik(base + [x], full, y) >= loglik(base, reduced, y)
    score = np.column_stack(base) @ full[1:-1]
    logistic(before + [z, x], y)
    found = [full[-1], np.sqrt(covariance[-1, -1]), auc]

    activity = [c for c in base if not any(c is w for w in before)]
    early = [c[learn] for c in segments + activity] + calendar(entry[learn])
    first, _ = logistic(early + [x[learn]], y[learn])
    late = ~learn
    other = np.column_stack([c[late] for c in segments + activity]) @ first[1:1 + len(segments + activity)]
    known = np.column_stack(segments + activity)
    slopes, *_ = np.linalg.lstsq(np.column_stack([np.ones(len(y)), known]), x, rcond=None)
    expected = known @ slopes[1:]
    second, _ = logistic([other] + [c[late] for c in segments] + [expected[late]] + calendar(entry[late])
                         + [x[late]], y[late])
    delong(other + first[-1] * x[late], y[late])
    delong(other, y[late])
    found += [first[-1], second[-1]]

    blocks = np.minimum(3, np.floor(4 * (rankdata(entry) - 0.5) / len(entry)))
    weights, sums = 0, 0
    for block in range(4):
        here = blocks == block
        b, v = logistic([score[here]] + [c[here] for c in segments] + [x[here]], y[here])
        weights, sums = weights + 1 / v[-1, -1], sums + b[-1] / v[-1, -1]
    for level in levels:
        here = channel == level
        logistic([score[here], x[here]], y[here])
    found.append(sums / weights)

    permutations(x, 999, draw)
    logistic(base + [draw.poisson(1, len(y)).astype(float), x], y)
    design = np.column_stack([np.ones(len(y))] + base + [x])
    influence = (y - expit(design @ full)) * (design @ covariance[-1])
    for _ in range(100):
        np.bincount(draw.integers(0, len(y), len(y)), minlength=len(y)) @ influence
    usual = (volume <= np.quantile(volume, 0.95)) & (m <= np.quantile(m, 0.99))
    tail, _ = logistic([c[usual] for c in base] + [x[usual]], y[usual])
    found.append(np.exp(tail[-1]))
    assert bootstrap_of_auc(m, y, 1999, draw) > 0

    betas = []
    for count in counts:
        other_x = scaled(count, learn)
        other_z, columns, _ = baseline(total - count, other_x)
        betas.append(logistic(columns + [other_x], y)[0][-1])
        logistic([other_z, other_x], y)
    return found + [np.mean(betas)]


begin, cpu = time.perf_counter(), time.process_time()
answer = [float(number) for number in verdict()]
print(json.dumps(dict(task="V", seconds=time.perf_counter() - begin, cpu=time.process_time() - cpu,
                      placebos=len(counts), answer=answer)))
print(json.dumps(dict(task="memory", megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)))
