// The questions in SQL for the two engines that speak nearly the same one. Row order is the
// column `rid` (position in the file), so that ties are the file's, as in every other peer.
export const names = ["add_to_cart", "checkout_start", "compare", "exit", "faq", "landing",
  "product_view", "purchase", "return", "review", "search", "support"];
const code = (column) => `(CASE ${column} ${names.map((n, i) => `WHEN '${n}' THEN ${i}`).join(" ")} END)`;
const day = 86400;
export const funnelSteps = ["landing", "product_view", "add_to_cart", "checkout_start", "purchase"];

export const duckdb = {
  T3: `WITH f AS (SELECT user_id, min(ts) t0 FROM e GROUP BY user_id),
      m AS (SELECT max(ts) ending FROM e),
      u AS (SELECT e.user_id,
          count(*) FILTER (event = 'compare' AND ts < t0 + ${7 * day}) c,
          max(CASE WHEN event = 'purchase' AND ts >= t0 + ${7 * day} AND ts < t0 + ${37 * day} THEN 1 ELSE 0 END) y
        FROM e JOIN f USING (user_id), m WHERE t0 + ${37 * day} <= ending GROUP BY e.user_id)
      SELECT count(*), sum(c), sum(y), sum(c * y) FROM u`,
  // The latest start that reached each level dominates the earlier ones, so a running maximum suffices.
  T4: (() => {
    const w = "OVER (PARTITION BY user_id ORDER BY ts, rid ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)";
    let sql = `WITH s1 AS (SELECT user_id, ts, rid, event, CASE WHEN event = 'landing' THEN ts END a1 FROM e WHERE event IN (${funnelSteps.map((s) => `'${s}'`).join(",")}))`;
    for (let k = 2; k <= 5; k++)
      sql += `, p${k} AS (SELECT *, max(a${k - 1}) ${w} b${k} FROM s${k - 1}), s${k} AS (SELECT *, CASE WHEN event = '${funnelSteps[k - 1]}' AND ts - b${k} <= ${7 * day} THEN b${k} END a${k} FROM p${k})`;
    return sql + ` SELECT ${[1, 2, 3, 4, 5].map((k) => `count(DISTINCT CASE WHEN a${k} IS NOT NULL THEN user_id END)`).join(", ")} FROM s5`;
  })(),
  T5: `WITH n AS (SELECT event a, lead(event) OVER (PARTITION BY user_id ORDER BY ts, rid) b FROM e),
      c AS (SELECT a, b, count(*) k FROM n WHERE b IS NOT NULL GROUP BY a, b)
      SELECT sum(k), sum(k * (31 * ${code("a")} + ${code("b")} + 1)) FROM c`,
  T6: `WITH g AS (SELECT user_id, ts, rid, CASE WHEN ts - lag(ts) OVER (PARTITION BY user_id ORDER BY ts, rid) <= 1800 THEN 0 ELSE 1 END fresh FROM e),
      i AS (SELECT user_id, ts, sum(fresh) OVER (PARTITION BY user_id ORDER BY ts, rid ROWS UNBOUNDED PRECEDING) s FROM g),
      z AS (SELECT count(*) n, max(ts) - min(ts) d FROM i GROUP BY user_id, s)
      SELECT count(*), count(*) FILTER (n = 1), median(d), median(n) FROM z`,
  T7: `WITH f AS (SELECT user_id, (min(ts) - 345600) // 604800 c FROM e GROUP BY user_id),
      a AS (SELECT c, (ts - 345600) // 604800 - c w, count(DISTINCT user_id) u FROM e JOIN f USING (user_id) GROUP BY 1, 2),
      o AS (SELECT min(c) origin FROM f)
      SELECT sum(u * (31 * (c - origin) + w + 1)) FROM a, o`,
};

export const clickhouse = {
  T3: `WITH (SELECT max(ts) FROM e) AS last
      SELECT count(), sum(c), sum(y), sum(c * y) FROM (
        SELECT min(ts) t0, groupArray(ts) t, groupArray(event) v,
          arrayCount((x, n) -> n = 'compare' AND x < t0 + ${7 * day}, t, v) c,
          arrayExists((x, n) -> n = 'purchase' AND x >= t0 + ${7 * day} AND x < t0 + ${37 * day}, t, v) y
        FROM (SELECT user_id, ts, event FROM e) GROUP BY user_id HAVING t0 + ${37 * day} <= last)`,
  T3b: `WITH (SELECT max(ts) FROM e) AS last
      SELECT count(), sum(c), sum(y), sum(c * y) FROM (
        SELECT countIf(event = 'compare' AND ts < t0 + ${7 * day}) c,
          max(event = 'purchase' AND ts >= t0 + ${7 * day} AND ts < t0 + ${37 * day}) y
        FROM e INNER JOIN (SELECT user_id, min(ts) t0 FROM e GROUP BY user_id) f USING user_id
        WHERE t0 + ${37 * day} <= last GROUP BY user_id)`,
  // windowFunnel counts tied rows as ordered whatever the file says: compared with a tolerance.
  T4: `SELECT ${[1, 2, 3, 4, 5].map((k) => `countIf(l >= ${k})`).join(", ")} FROM (SELECT windowFunnel(${7 * day})(toUInt64(ts), ${funnelSteps.map((s) => `event = '${s}'`).join(", ")}) l FROM e GROUP BY user_id)`,
  T5: `WITH c AS (SELECT a, b, count() k FROM (SELECT event a, leadInFrame(event) OVER w b, leadInFrame(1) OVER w more FROM e
        WINDOW w AS (PARTITION BY user_id ORDER BY ts, rid ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)) WHERE more = 1 GROUP BY a, b)
      SELECT sum(k), sum(k * (31 * ${code("a")} + ${code("b")} + 1)) FROM c`,
  T6: `SELECT count(), countIf(n = 1), quantileExactInclusive(0.5)(d), quantileExactInclusive(0.5)(n) FROM (
        SELECT arrayJoin(arraySplit((x, g) -> g, t, arrayMap((x, p) -> x - p > 1800, t, arrayPushFront(arrayPopBack(t), t[1])))) q, length(q) n, q[-1] - q[1] d
        FROM (SELECT arraySort(groupArray(ts)) t FROM e GROUP BY user_id))`,
  T7: `WITH f AS (SELECT user_id, intDiv(min(ts) - 345600, 604800) c FROM e GROUP BY user_id),
      a AS (SELECT c, intDiv(ts - 345600, 604800) - c w, uniqExact(user_id) u FROM e INNER JOIN f USING user_id GROUP BY c, w)
      SELECT sum(u * (31 * (c - (SELECT min(c) FROM f)) + w + 1)) FROM a`,
};
