#!/usr/bin/env node
// pg-boss (Node) as one of those that the bench of taskx measures. It keeps finished jobs.
//
// Best settings: batches of 1,000, fetched without a pause while they are full, by 4 workers; told by
// NOTIFY. A handler gets a batch, and its jobs end together.

import pg from "pg";
import { PgBoss } from "pg-boss";

import { main, ran, sleep } from "./drive.mjs";

const QUEUE = "bench";

const settings = (setting) =>
  setting === "best"
    ? { batchSize: 1_000, localConcurrency: 4, burstWhenBatchFull: true }
    : { localConcurrency: setting.default.concurrency };

async function handle(jobs) {
  for (const { data } of jobs) {
    if (data.sleeps) await sleep(5);
    ran(data.order);
  }
}

await main(async (url) => {
  const pool = new pg.Pool({ connectionString: url, max: 2 });
  const boss = new PgBoss({ connectionString: url, max: 20, useListenNotify: true });
  boss.on("error", (error) => console.error(error.message));
  await boss.start();
  for (const queue of [QUEUE, "elsewhere"]) await boss.createQueue(queue, { notify: true });
  return {
    enqueue: (job) => boss.send(QUEUE, job),
    enqueueMany: (jobs, { elsewhere, later, handler }) => {
      const startAfter = later ? 3_600 : undefined;
      const sleeps = handler === "sleep";
      const rows = jobs.map((job) => ({ data: sleeps ? { ...job, sleeps } : job, startAfter }));
      return boss.insert(elsewhere ? "elsewhere" : QUEUE, rows);
    },
    start: async (setting) => {
      await boss.work(QUEUE, { ...settings(setting), pollingIntervalSeconds: 0.5 }, handle);
      return () => boss.offWork(QUEUE);
    },
    isDrained: async () => {
      const left = "SELECT EXISTS (SELECT FROM pgboss.job WHERE name = $1 AND state < 'completed') AS any";
      return !(await pool.query(left, [QUEUE])).rows[0].any;
    },
    close: async () => {
      await boss.stop({ graceful: false });
      await pool.end();
    },
  };
});
