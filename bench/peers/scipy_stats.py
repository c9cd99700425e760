"""The statistics with scipy and statsmodels: python3 scipy_stats.py FILE.csv THREADS [RUNS]"""
import json, resource, sys, time
import numpy as np, pandas as pd
from scipy.stats import rankdata
import statsmodels.api as sm

data = pd.read_csv(sys.argv[1])
runs = int(sys.argv[3]) if len(sys.argv) > 3 else 3
score, label = data.score.values, data.label.values
positive = label == 1
n1, n0 = positive.sum(), (~positive).sum()


def auc_of(ranks):
    return (ranks[positive].sum() - n1 * (n1 + 1) / 2) / (n1 * n0)


def t8():
    """DeLong's variance by mid-ranks (Sun and Xu 2014)."""
    ranks = rankdata(score)
    v1 = (ranks[positive] - rankdata(score[positive])) / n0
    v0 = 1 - (ranks[~positive] - rankdata(score[~positive])) / n1
    return [float(auc_of(ranks)), float(np.sqrt(v1.var(ddof=1) / n1 + v0.var(ddof=1) / n0))]


def t9():
    """Ranks once; each permutation draws the places of the positives."""
    ranks, draw = rankdata(score), np.random.default_rng(1)
    sums = [ranks[draw.choice(len(ranks), n1, replace=False, shuffle=False)].sum() for _ in range(1000)]
    assert len(sums) == 1000
    return [float(auc_of(ranks))]


def t10():
    small = sm.add_constant(data[["c1", "c2", "c3"]].values)
    large = np.column_stack([small, score])
    fits = [sm.Logit(label, x).fit(disp=0) for x in (small, large)]
    return [float(2 * (fits[1].llf - fits[0].llf))]


def t11():
    """Sorted once; each resample weighs the sorted rows by how often they were drawn."""
    order, draw = np.argsort(score, kind="stable"), np.random.default_rng(1)
    y, values = label[order], score[order]
    assert len(np.unique(values)) > 0.99 * len(values)  # next to no ties: weighed as if none
    found = []
    for _ in range(1000):
        w = np.bincount(draw.integers(0, len(y), len(y)), minlength=len(y))
        below = np.cumsum(w * (1 - y))
        found.append(float((w * y * (below - 0.0)).sum() / ((w * y).sum() * below[-1])))
    return [float(np.std(found, ddof=1))]


for name, work in dict(T8=t8, T9=t9, T10=t10, T11=t11).items():
    seconds = []
    rounds = 1 if name == "T11" else runs
    for _ in range(rounds):
        begin = time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - begin)
    print(json.dumps(dict(task=name, seconds=sorted(seconds)[len(seconds) // 2], answer=answer)), flush=True)
print(json.dumps(dict(task="memory", megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)))
