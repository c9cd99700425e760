// ClickHouse's answers for spec/funnel_clickhouse_spec.lua (npm package chdb).
// NODE_PATH=… node tools/oracles/funnel_clickhouse.mjs events.csv
import { createRequire } from "node:module";
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
const { Session } = createRequire(process.env.NODE_PATH + "/x.js")("chdb");
const session = new Session(mkdtempSync(tmpdir() + "/chdb-"));
const is = (...names) => names.map((n) => `event = '${n}'`).join(" OR ");
const steps = {
  apart: [is("a"), is("b"), is("c")],
  shared: [is("a", "b"), is("b", "c"), is("a", "c"), is("d")],
  equal: [is("a"), is("a"), is("b")],
};
const show = (name, sql) =>
  console.log(name, session.query(sql, "JSONCompactEachRow").trim().split("\n").join(" "));
console.log("ClickHouse", session.query("SELECT version()", "TSV").trim());
session.query("CREATE DATABASE IF NOT EXISTS o");
session.query("CREATE TABLE o.e (user UInt32, event String, ts UInt32, rid UInt32) ENGINE = Memory");
session.query(`INSERT INTO o.e SELECT * FROM file('${process.argv[2]}', CSVWithNames)`);
for (const [name, conditions] of Object.entries(steps))
  for (const [within, mode] of [[5, ""], [20, ""], [5, ", 'strict_increase'"], [20, ", 'strict_once'"]])
    show(`${name} ${within}${mode}`, `SELECT level, count() FROM (SELECT user,
      windowFunnel(${within}${mode})(toDateTime(ts), ${conditions.join(", ")}) AS level
      FROM o.e GROUP BY user) GROUP BY level ORDER BY level`);
