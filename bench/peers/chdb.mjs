// Current ClickHouse in process: node chdb.mjs FILE.csv THREADS [RUNS] [FILE.db]
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRequire } from "node:module";
import { clickhouse as questions } from "./sql.mjs";
const { Session } = createRequire(import.meta.url)("chdb");
const [file, threads, runs = "3", database] = process.argv.slice(2);
const median = (x) => x.sort((a, b) => a - b)[Math.floor(x.length / 2)];
const folder = mkdtempSync(join(tmpdir(), "chdb-"));
const session = new Session(folder);
const timed = (sql) => {
  const start = process.hrtime.bigint(), used = process.cpuUsage();
  const text = session.query(sql + (sql.startsWith("SELECT") || sql.startsWith("WITH") ? ` SETTINGS max_threads = ${threads}` : ""), "JSONCompactEachRow");
  const seconds = Number(process.hrtime.bigint() - start) / 1e9, { user, system } = process.cpuUsage(used);
  return [seconds, text, (user + system) / 1e6];
};
session.query("CREATE DATABASE IF NOT EXISTS bench; ");
const load = (order) => {
  session.query("DROP TABLE IF EXISTS e");
  session.query(`CREATE TABLE e (user_id Int64, event LowCardinality(String), ts Int64, value Nullable(Float64), rid UInt64) ENGINE = MergeTree ORDER BY ${order}`);
  const start = process.hrtime.bigint(), used = process.cpuUsage();
  session.query(`INSERT INTO e SELECT user_id, event, ts, value, rowNumberInAllBlocks() FROM file('${file}', CSVWithNames, 'user_id Int64, event String, ts Int64, value Nullable(Float64)') SETTINGS max_threads = ${threads}, max_insert_threads = ${threads}, input_format_parallel_parsing = 1`);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9, { user, system } = process.cpuUsage(used);
  return [seconds, (user + system) / 1e6];
};
const loads = [], loadsUsed = [];
for (let i = 0; i < runs; i++) {
  const [time, cpu] = load("(user_id, ts, rid)");
  loads.push(time);
  loadsUsed.push(cpu);
}
session.query("OPTIMIZE TABLE e FINAL");
const count = JSON.parse(timed("SELECT count(), uniqExact(user_id) FROM e")[1]).map(Number);
console.log(JSON.stringify({ task: "T1", seconds: median(loads), cpu: median(loadsUsed), answer: count }));
if (database) {
  session.query(`CREATE TABLE s (user_id Int64, event LowCardinality(String), ts Int64, value Nullable(Float64)) ENGINE = MergeTree ORDER BY (user_id, ts)`);
  const start = process.hrtime.bigint();
  session.query(`INSERT INTO s SELECT user_id, event, ts, value FROM sqlite('${database}', 'events') SETTINGS max_threads = ${threads}, max_insert_threads = ${threads}`);
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const rows = JSON.parse(timed("SELECT count(), uniqExact(user_id) FROM s")[1]).map(Number);
  console.log(JSON.stringify({ task: "T2", seconds, answer: rows }));
  session.query("DROP TABLE s");
}
for (const [task, sql] of Object.entries(questions)) {
  const seconds = [], used = [];
  let answer;
  for (let i = 0; i <= runs; i++) {
    const [time, text, cpu] = timed(sql);
    if (i > 0) {
      seconds.push(time);
      used.push(cpu);
    }
    answer = JSON.parse(text.trim().split("\n")[0]).map(Number);
  }
  console.log(JSON.stringify({ task, seconds: median(seconds), cpu: median(used), answer }));
}
console.log(JSON.stringify({ task: "memory", megabytes: Math.round(process.resourceUsage().maxRSS / 1024) }));
rmSync(folder, { recursive: true, force: true });
