#!/usr/bin/env node
// graphile-worker (Node) as one of those that the bench of taskx measures. It deletes finished jobs.
//
// Best settings: a local queue of 500, completions and failures batched without a delay, 24 jobs at
// once.

import { Logger, makeWorkerUtils, run } from "graphile-worker";
import pg from "pg";

import { main, ran, sleep } from "./drive.mjs";

const logger = new Logger(() => (level, message) => {
  if (level === "error") console.error(message);
});

const taskList = {
  nothing: async (job) => ran(job.order),
  sleepy: async (job) => {
    await sleep(5);
    ran(job.order);
  },
};

const settings = (setting) =>
  setting === "best"
    ? {
        concurrentJobs: 24,
        localQueue: { size: 500 },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      }
    : { concurrentJobs: setting.default.concurrency };

function identifier({ elsewhere, handler }) {
  if (elsewhere) return "elsewhere";
  return handler === "sleep" ? "sleepy" : "nothing";
}

await main(async (url) => {
  const pgPool = new pg.Pool({ connectionString: url, max: 40 });
  pgPool.on("error", (error) => console.error(error.message));
  const utils = await makeWorkerUtils({ pgPool, logger });
  await utils.migrate();
  return {
    enqueue: (job) => utils.addJob("nothing", job),
    enqueueMany: (jobs, filling) => {
      const runAt = filling.later ? new Date(Date.now() + 3_600_000) : undefined;
      const task = identifier(filling);
      return utils.addJobs(jobs.map((payload) => ({ identifier: task, payload, runAt })));
    },
    start: async (setting) => {
      const worker = settings(setting);
      const runner = await run({
        pgPool,
        logger,
        taskList,
        noHandleSignals: true,
        concurrency: worker.concurrentJobs,
        preset: { worker },
      });
      return () => runner.stop();
    },
    isDrained: async () => {
      const left = "SELECT EXISTS (SELECT FROM graphile_worker._private_jobs) AS any";
      return !(await pgPool.query(left)).rows[0].any;
    },
    close: async () => {
      await utils.release();
      await pgPool.end();
    },
  };
});
