// The loops of the cases, as `benches/measure/src/drive.rs` has them for the programs in Rust: an
// order goes in as the last argument, what was measured comes out as the last line.

import { performance } from "node:perf_hooks";

const PORTION = 10_000;
const WITHOUT_NOTE = 70;
const PATIENCE = 60_000;

let runs = 0;
const starts = [];
let waiting = null;

/** What every handler calls first. */
export function ran(order) {
  runs += 1;
  const start = { order, at: now() };
  if (waiting) {
    waiting(start);
    waiting = null;
  } else {
    starts.push(start);
  }
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** In milliseconds, finer than the clock of `Date`. */
const now = () => performance.timeOrigin + performance.now();

const nextStart = () =>
  starts.length > 0
    ? Promise.resolve(starts.shift())
    : new Promise((resolve) => {
        waiting = resolve;
      });

function job(order, bytes) {
  return {
    order,
    customer: `customer-${String(order).padStart(7, "0")}@example.com`,
    note: "x".repeat(Math.max(0, bytes - WITHOUT_NOTE)),
  };
}

const PLAIN = { elsewhere: false, later: false, handler: "nothing" };

function stopwatch() {
  const begun = performance.now();
  const cpu = process.cpuUsage();
  return (jobs) => {
    const used = process.cpuUsage(cpu);
    return {
      jobs,
      seconds: (performance.now() - begun) / 1_000,
      cpu: (used.user + used.system) / 1e6,
      peak_rss: process.resourceUsage().maxRSS * 1_024,
      written: 0,
      after_return: null,
      after_call: null,
      moments: [],
    };
  };
}

async function fromCallers(jobs, callers, each, enqueue) {
  const stop = stopwatch();
  const caller = async (number) => {
    for (let first = number * each; first < jobs; first += callers * each) {
      await enqueue(first, Math.min(jobs, first + each));
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, number) => caller(number)));
  return stop(jobs);
}

const range = (from, to, make) => Array.from({ length: to - from }, (_, at) => make(from + at));

async function bulk(peer, jobs, filling, make) {
  const stop = stopwatch();
  for (let first = 0; first < jobs; first += PORTION) {
    await peer.enqueueMany(range(first, Math.min(jobs, first + PORTION), make), filling);
  }
  return stop(jobs);
}

async function drain(peer, { jobs, setting, at_most: atMost }) {
  const most = atMost ? atMost.secs * 1_000 + atMost.nanos / 1e6 : Infinity;
  const begun = performance.now();
  const stop = stopwatch();
  const end = await peer.start(setting);
  while (runs < jobs && performance.now() - begun < most) await sleep(1);
  const done = Math.min(runs, jobs);
  if (done === jobs) {
    const last = performance.now();
    while (!(await peer.isDrained())) {
      if (performance.now() - last > PATIENCE) throw new Error("finished jobs are not recorded");
      await sleep(1);
    }
  }
  const measured = stop(done);
  await end();
  if (!atMost && runs !== jobs) throw new Error(`${runs} runs of ${jobs} jobs`);
  return measured;
}

function percentiles(delays) {
  delays.sort((left, right) => left - right);
  const at = (share) => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))];
  return { p50: at(0.5), p99: at(0.99) };
}

async function latency(peer, { jobs }, make) {
  const end = await peer.start({ default: { concurrency: 10 } });
  await sleep(500);
  const stop = stopwatch();
  const afterReturn = [];
  const afterCall = [];
  for (let order = 0; order < jobs; order += 1) {
    const called = now();
    await peer.enqueue(make(order));
    const returned = now();
    const { at } = await nextStart();
    afterReturn.push(Math.max(0, at - returned));
    afterCall.push(at - called);
  }
  const measured = stop(jobs);
  measured.after_return = percentiles(afterReturn);
  measured.after_call = percentiles(afterCall);
  await end();
  return measured;
}

async function work(peer, [name, work], payload) {
  const make = (order) => job(order, payload);
  switch (name) {
    case "prepare":
      return stopwatch()(0);
    case "one_by_one":
      return fromCallers(work.jobs, 1, 1, (order) => peer.enqueue(make(order)));
    case "callers":
      return fromCallers(work.jobs, work.callers, 1, (order) => peer.enqueue(make(order)));
    case "portions":
      return fromCallers(work.jobs, work.callers, work.each, (from, to) =>
        peer.enqueueMany(range(from, to, make), PLAIN),
      );
    case "bulk":
      return bulk(peer, work.jobs, PLAIN, make);
    case "fill":
      return bulk(peer, work.jobs, work, make);
    case "drain":
      return drain(peer, work);
    case "latency":
      return latency(peer, work, make);
    default:
      throw new Error(`it has no ${name}`);
  }
}

/** Does what the last argument says. */
export async function main(connect) {
  const order = JSON.parse(process.argv.at(-1));
  const asked = typeof order.work === "string" ? [order.work, {}] : Object.entries(order.work)[0];
  const peer = await connect(order.url);
  const measured = await work(peer, asked, order.payload);
  await peer.close();
  console.log(JSON.stringify(measured));
}
