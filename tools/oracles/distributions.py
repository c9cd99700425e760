"""Distribution functions to 50 digits (mpmath), for spec/stats_distribution_spec.lua."""
import mpmath as mp

mp.mp.dps = 50


def text(x):
    return mp.nstr(x, 17, strip_zeros=False, min_fixed=0, max_fixed=0) if x else "0.0"


def exact(x):
    return mp.mpf(float(x))


def gamma_q(a, x):
    return mp.gammainc(a, x, mp.inf, regularized=True)


def gamma_p(a, x):
    return mp.gammainc(a, 0, x, regularized=True)


def beta_i(x, a, b):
    """The power series below the mean, its complement above: no tail loses digits."""
    x, a, b = mp.mpf(x), mp.mpf(a), mp.mpf(b)
    if x > a / (a + b):
        return 1 - beta_i(1 - x, b, a)
    log_front = a * mp.log(x) + b * mp.log1p(-x)
    log_front += mp.loggamma(a + b) - mp.loggamma(a + 1) - mp.loggamma(b)
    total = term = mp.mpf(1)
    k = 0
    while term > total * mp.mpf(10) ** -40:
        term *= (a + b + k) / (a + 1 + k) * x
        total += term
        k += 1
    return mp.exp(log_front) * total


def t_upper(t, df):
    t, df = exact(t), exact(df)
    if df < 2000:
        half = beta_i(df / (df + t * t), df / 2, mp.mpf(1) / 2) / 2 if t else mp.mpf(1) / 2
        return half if t >= 0 else 1 - half
    log_c = mp.loggamma((df + 1) / 2) - mp.loggamma(df / 2) - mp.log(df * mp.pi) / 2
    density = lambda u: mp.exp(log_c - (df + 1) / 2 * mp.log1p(u * u / df))
    return mp.quad(density, [t, t + 0.5, t + 1, t + 2, t + 4, t + 8, t + 16, t + 100])


def f_upper(f, d1, d2):
    f, d1, d2 = exact(f), exact(d1), exact(d2)
    return beta_i(d2 / (d2 + d1 * f), d2 / 2, d1 / 2)


rows = []


def add(name, arguments, value):
    numbers = ", ".join(repr(float(a)) for a in arguments)
    rows.append('  { "%s", { %s }, %s },' % (name, numbers, text(value)))


for z in (-37, -20, -8.5, -5, -3.1, -1.96, -1, -0.3, -1e-9, 0, 0.2, 1.3, 2.575, 4, 6, 8):
    add("normal_cdf", [z], mp.ncdf(exact(z)))
for z in (0.5, 1.644853, 3, 5.5, 10, 18, 25, 30, 37.5):
    add("normal_upper", [z], mp.erfc(exact(z) / mp.sqrt(2)) / 2)
for p in (1e-300, 1e-100, 1e-20, 1e-9, 1e-4, 0.001, 0.025, 0.2, 0.4, 0.5, 0.6, 0.9, 0.975, 0.999,
          1 - 1e-12):
    tail = exact(p) if p < 0.5 else 1 - exact(p)
    root = mp.mpf(0) if p == 0.5 else mp.findroot(
        lambda z: mp.log(mp.erfc(z / mp.sqrt(2)) / 2) - mp.log(tail), mp.sqrt(-2 * mp.log(tail)))
    add("normal_quantile", [p], -root if p < 0.5 else root)
for df in (1, 2, 3, 5, 10, 37, 100, 1000, 25000):
    for x in (1e-8, 0.01, 0.5, 1, 3.84, 10, 40, 90, 250, 1200, 1400):
        if x < df * 8 + 1500 / (1 + df / 50):
            upper = gamma_q(exact(df) / 2, exact(x) / 2)
            lower = gamma_p(exact(df) / 2, exact(x) / 2)
            if upper > mp.mpf(10) ** -290:
                add("chi_square_upper", [x, df], upper)
            if lower > mp.mpf(10) ** -290:
                add("chi_square_lower", [x, df], lower)
for df in (24500, 25000, 25700):
    add("chi_square_upper", [df, 25000], gamma_q(mp.mpf(12500), exact(df) / 2))
for df in (1, 2, 3.5, 5, 10, 30, 99, 1000, 423456, 1e7):
    for t in (-3, -0.7, 0.01, 0.5, 1, 1.96, 3, 6, 12, 30, 1e3, 1e8):
        value = t_upper(t, df) if df < 2000 or t <= 12 else 0
        if value > mp.mpf(10) ** -290:
            add("t_upper", [t, df], value)
for d1, d2 in ((1, 1), (1, 10), (3, 7), (5, 200), (20, 3), (40, 40), (2, 100000)):
    for f in (0.01, 0.5, 1, 2.5, 8, 40, 900):
        value = f_upper(f, d1, d2)
        if value > mp.mpf(10) ** -290:
            add("f_upper", [f, d1, d2], value)
for a, b in ((0.5, 0.5), (1, 3), (2.5, 0.7), (5, 5), (30, 4), (200, 900), (5000, 45000)):
    for x in (1e-6, 0.02, 0.1, 0.1834, 0.5, 0.9, 0.999):
        lower, upper = beta_i(exact(x), a, b), beta_i(1 - exact(x), b, a)
        if lower > mp.mpf(10) ** -290:
            add("beta_lower", [x, a, b], lower)
        if upper > mp.mpf(10) ** -290:
            add("beta_upper", [x, a, b], upper)
for df in (1, 2, 4.5, 9, 39, 500):
    for p in (1e-12, 0.0005, 0.025, 0.3, 0.8, 0.975):
        q = exact(p) if p < 0.5 else 1 - exact(p)
        low, high = mp.mpf("1e-4"), mp.mpf("1e13")
        while high / low > 1 + mp.mpf(10) ** -30:
            middle = mp.sqrt(low * high)
            x = df / (df + middle * middle)
            if beta_i(x, mp.mpf(df) / 2, mp.mpf(1) / 2) / 2 > q:
                low = middle
            else:
                high = middle
        add("t_quantile", [p, df], -low if p < 0.5 else low)
for df in (1, 2, 9, 99, 3000):
    for p in (1e-10, 0.01, 0.4, 0.5, 0.95, 0.99, 0.9999999):
        low, high = mp.mpf("1e-40"), mp.mpf("1e6")
        while high / low > 1 + mp.mpf(10) ** -30:
            middle = mp.sqrt(low * high)
            if gamma_p(mp.mpf(df) / 2, middle / 2) < exact(p):
                low = middle
            else:
                high = middle
        add("chi_square_quantile", [p, df], low)
for a, b in ((1, 20), (3, 18), (18, 3), (450, 9551), (0.5, 0.5)):
    for p in (1e-6, 0.025, 0.5, 0.975):
        low, high = mp.mpf(0), mp.mpf(1)
        while high - low > low * mp.mpf(10) ** -30:
            middle = (low + high) / 2
            if beta_i(middle, a, b) < exact(p):
                low = middle
            else:
                high = middle
        add("beta_quantile", [p, a, b], low)

print("return {")
print("\n".join(rows))
print("}")
