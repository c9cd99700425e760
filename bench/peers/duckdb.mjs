// DuckDB: node duckdb.mjs FILE.csv THREADS [RUNS]
import { DuckDBInstance } from "@duckdb/node-api";
import { duckdb as questions } from "./sql.mjs";
const [file, threads, runs = "3"] = process.argv.slice(2);
const median = (x) => x.sort((a, b) => a - b)[Math.floor(x.length / 2)];
const instance = await DuckDBInstance.create(":memory:", { threads });
const db = await instance.connect();
const timed = async (sql) => {
  const start = process.hrtime.bigint(), used = process.cpuUsage();
  const answer = (await (await db.run(sql)).getRows())[0];
  const seconds = Number(process.hrtime.bigint() - start) / 1e9, { user, system } = process.cpuUsage(used);
  return [seconds, answer, (user + system) / 1e6];
};
const load = `CREATE OR REPLACE TABLE e AS SELECT * FROM (SELECT *, row_number() OVER () rid FROM read_csv('${file}',
  columns = {'user_id': 'BIGINT', 'event': 'VARCHAR', 'ts': 'BIGINT', 'value': 'DOUBLE'}, header = true))`;
const loads = [], sorted = [], used = [];
for (let i = 0; i < runs; i++) loads.push((await timed(load))[0]);
for (let i = 0; i < runs; i++) {
  const [time, , cpu] = await timed(load + " ORDER BY user_id, ts, rid");
  sorted.push(time);
  used.push(cpu);
}
const [, rows] = await timed("SELECT count(*), count(DISTINCT user_id) FROM e");
console.log(JSON.stringify({ task: "T1", seconds: median(sorted), cpu: median(used), answer: rows.map(Number) }));
console.log(JSON.stringify({ task: "T1unsorted", seconds: median(loads), answer: rows.map(Number) }));
for (const [task, sql] of Object.entries(questions)) {
  const seconds = [], used = [];
  let answer;
  for (let i = 0; i <= runs; i++) {
    const [time, result, cpu] = await timed(sql);
    if (i > 0) {
      seconds.push(time);
      used.push(cpu);
    }
    answer = result;
  }
  console.log(JSON.stringify({ task, seconds: median(seconds), cpu: median(used), answer: answer.map(Number) }));
}
console.log(JSON.stringify({ task: "memory", megabytes: Math.round(process.resourceUsage().maxRSS / 1024) }));
