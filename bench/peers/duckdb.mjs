// DuckDB: node duckdb.mjs FILE.csv THREADS [RUNS]
import { DuckDBInstance } from "@duckdb/node-api";
import { duckdb as questions } from "./sql.mjs";
const [file, threads, runs = "3"] = process.argv.slice(2);
const median = (x) => x.sort((a, b) => a - b)[Math.floor(x.length / 2)];
const instance = await DuckDBInstance.create(":memory:", { threads });
const db = await instance.connect();
const timed = async (sql) => {
  const start = process.hrtime.bigint();
  const answer = (await (await db.run(sql)).getRows())[0];
  return [Number(process.hrtime.bigint() - start) / 1e9, answer];
};
const load = `CREATE OR REPLACE TABLE e AS SELECT * FROM (SELECT *, row_number() OVER () rid FROM read_csv('${file}',
  columns = {'user_id': 'BIGINT', 'event': 'VARCHAR', 'ts': 'BIGINT', 'value': 'DOUBLE'}, header = true))`;
const loads = [], sorted = [];
for (let i = 0; i < runs; i++) loads.push((await timed(load))[0]);
for (let i = 0; i < runs; i++) sorted.push((await timed(load + " ORDER BY user_id, ts, rid"))[0]);
const [, rows] = await timed("SELECT count(*), count(DISTINCT user_id) FROM e");
console.log(JSON.stringify({ task: "T1", seconds: median(sorted), answer: rows.map(Number) }));
console.log(JSON.stringify({ task: "T1unsorted", seconds: median(loads), answer: rows.map(Number) }));
for (const [task, sql] of Object.entries(questions)) {
  const seconds = [];
  let answer;
  for (let i = 0; i <= runs; i++) {
    const [time, result] = await timed(sql);
    if (i > 0) seconds.push(time);
    answer = result;
  }
  console.log(JSON.stringify({ task, seconds: median(seconds), answer: answer.map(Number) }));
}
console.log(JSON.stringify({ task: "memory", megabytes: Math.round(process.resourceUsage().maxRSS / 1024) }));
