"""pandas for loading, numpy as an expert would write it: python3 expert_numpy.py FILE.csv THREADS [RUNS]"""
import json, resource, statistics, sys, time
import numpy as np, pandas as pd

path, runs = sys.argv[1], int(sys.argv[3]) if len(sys.argv) > 3 else 3
NAMES = ["add_to_cart", "checkout_start", "compare", "exit", "faq", "landing", "product_view",
         "purchase", "return", "review", "search", "support"]
DAY = 86400


def load():
    d = pd.read_csv(path, dtype={"user_id": "int64", "event": "category", "ts": "int64", "value": "float64"})
    order = np.lexsort((d.ts.values, d.user_id.values))
    user, ts = d.user_id.values[order], d.ts.values[order]
    event = d.event.cat.set_categories(NAMES).cat.codes.values[order]
    start = np.flatnonzero(np.r_[True, user[1:] != user[:-1]])
    return user, ts, event, d.value.values[order], start


def t3():
    rep = np.repeat(ts[start], np.diff(np.r_[start, len(ts)]))
    rel = ts - rep
    ok = ts[start] + 37 * DAY <= ts.max()
    c = np.add.reduceat(((event == 2) & (rel < 7 * DAY)).astype(np.int64), start)[ok]
    y = np.maximum.reduceat(((event == 7) & (rel >= 7 * DAY) & (rel < 37 * DAY)).astype(np.int64), start)[ok]
    return [int(ok.sum()), int(c.sum()), int(y.sum()), int((c * y).sum())]


def t4():
    steps = [5, 6, 0, 1, 7]
    keep = np.isin(event, steps)
    u, t, v = np.repeat(np.arange(len(start)), np.diff(np.r_[start, len(ts)]))[keep], ts[keep], event[keep]
    big = np.int64(1) << 40
    best = np.where(v == 5, u * big + t, u * big - 1)  # encodes (user, latest start); below the user's range: none
    out = [len(np.unique(u[v == 5]))]
    for s in steps[1:]:
        run = np.maximum.accumulate(best)
        run = np.r_[np.int64(-1), run[:-1]]
        start_ts = run - u * big
        hit = (v == s) & (start_ts >= 0) & (t - start_ts <= 7 * DAY)
        best = np.where(hit, run, u * big - 1)
        out.append(len(np.unique(u[hit])))
    return out


def t5():
    same = user[1:] == user[:-1]
    k = np.bincount((event[:-1][same].astype(np.int64) * 12 + event[1:][same]), minlength=144).reshape(12, 12)
    w = 31 * np.arange(12)[:, None] + np.arange(12)[None, :] + 1
    return [int(k.sum()), int((k * w).sum())]


def t6():
    new = np.r_[True, (user[1:] != user[:-1]) | (ts[1:] - ts[:-1] > 1800)]
    first = np.flatnonzero(new)
    n = np.diff(np.r_[first, len(ts)])
    d = ts[np.r_[first[1:], len(ts)] - 1] - ts[first]
    return [len(n), int((n == 1).sum()), float(np.median(d)), float(np.median(n))]


def t7():
    w = (ts - 345600) // 604800
    c = np.repeat(w[start], np.diff(np.r_[start, len(ts)]))
    new = np.r_[True, (user[1:] != user[:-1]) | (w[1:] != w[:-1])]
    cc, ww = c[new] - c.min(), w[new] - c[new]
    return [int((31 * cc + ww + 1).sum())]


def timed(f):
    begin, used = time.perf_counter(), time.process_time()
    result = f()
    return time.perf_counter() - begin, result, time.process_time() - used


loads, used = [], []
for _ in range(runs):
    s, (user, ts, event, value, start), cpu = timed(load)
    loads.append(s)
    used.append(cpu)
print(json.dumps(dict(task="T1", seconds=statistics.median(loads), cpu=statistics.median(used), answer=[len(ts), len(start)])))
for name, f in dict(T3=t3, T4=t4, T5=t5, T6=t6, T7=t7).items():
    f()
    results = [timed(f) for _ in range(runs)]
    print(json.dumps(dict(task=name, seconds=statistics.median(r[0] for r in results),
                          cpu=statistics.median(r[2] for r in results), answer=results[0][1])))
print(json.dumps(dict(task="memory", megabytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)))
