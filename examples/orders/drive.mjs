#!/usr/bin/env node
/**
 * Drives the shop through the gateway, as its customers do, and holds it to its word: places orders under ids of its own, repeats whatever fails,
 * and in the end compares what it was told with what there is. Kill what you like meanwhile.
 *
 *   node examples/orders/drive.mjs [--orders=200] [--callers=8] [--run=NAME]
 *
 * Ctrl-c places no more and compares. Exit code 1: something does not add up.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    orders: { type: 'string', default: '200' },
    callers: { type: 'string', default: '8' },
    // Ids and items carry its name: sums are exact, whatever else the shop sells.
    run: { type: 'string', default: Date.now().toString(36) },
  },
});
const api = `http://${process.env.MICRO_API_ADDRESS ?? '127.0.0.1:8080'}`;
const { run } = values;
/** Milliseconds for which a failing call is repeated, and for which what is missing in the end may still come. */
const patience = 60_000;
const items = ['tea', 'coffee', 'cocoa'].map((name) => `${name}-${run}`);
/** Acknowledged orders by id, and acknowledged deliveries: item and quantity. */
const placed = new Map();
const delivered = [];
let repeated = 0;
let next = 0;
let stopping = false;
process.once('SIGINT', () => (stopping = true));

await Promise.all(items.map((item, n) => deliver(`${run}-first-${n}`, item, 20)));
await inParallel(() => (stopping || next >= Number(values.orders) ? undefined : next++), place);
report(await compare());

async function place(n) {
  const id = `${run}-${n}`;
  // Some addresses cannot be: of these there must be dead letters.
  const order = {
    id,
    customer: n % 25 === 7 ? `nobody-${id}` : `${id}@example.com`,
    item: items[n % items.length],
    quantity: 1 + (n % 4),
  };
  await insist('/orders/place', order);
  placed.set(id, order);
  if (placed.size % 50 === 0) console.error(`${placed.size} orders placed`);
  // Who is not sure asks again: it must be the same order.
  if (n % 10 === 3) await insist('/orders/place', order);
  // Less than is asked for, so that some orders are refused.
  if (n % 10 === 5) await deliver(`${run}-${n}`, order.item, 15);
}

/** Twice, as deliveries are announced at times: it must count once. */
async function deliver(delivery, item, quantity) {
  for (let time = 0; time < 2; time++) await insist('/stock/restock', { delivery, item, quantity });
  delivered.push({ item, quantity });
}

/** Everything that must be, beside what is: waits for what may still come. */
async function compare() {
  const wanted = [...placed.values()];
  const orders = await gather(wanted, async ({ id }) => {
    const order = await ask('/orders/get', { id });
    return order && (order.status === 'RESERVED' || order.status === 'REFUSED') ? order : undefined;
  });
  const reachable = wanted.filter(({ customer }) => customer.includes('@'));
  const others = wanted.filter(({ customer }) => !customer.includes('@'));
  const letters = await gather(
    reachable,
    async ({ id, customer }) => (await ask('/mail/get', { order: id }))?.to === customer,
  );
  const deadLetters = await gather(others, isUndelivered);
  const kept = wanted.filter(
    ({ id, item, quantity }) => orders.get(id)?.item === item && orders.get(id).quantity === quantity,
  );
  const rows = [
    ['orders kept and decided', wanted.length, kept.length],
    ['letters written', reachable.length, letters.size],
    ['dead letters', others.length, deadLetters.size],
  ];
  for (const item of items) {
    const { available = 0, reserved = 0 } = (await ask('/stock/look', { item })) ?? {};
    const sold = [...orders.values()].filter((order) => order.item === item && order.status === 'RESERVED');
    rows.push([
      `${item}: on the shelf and set aside`,
      sum(delivered.filter((one) => one.item === item)),
      available + reserved,
    ]);
    rows.push([`${item}: set aside`, sum(sold), reserved]);
  }
  return rows;
}

function report(rows) {
  console.log(`\n${placed.size} orders acknowledged, ${repeated} calls repeated because they failed\n`);
  const line = (what, ...columns) =>
    console.log(what.padEnd(48) + columns.map((one) => String(one).padStart(10)).join(''));
  line('', 'expected', 'found');
  for (const [what, expected, found] of rows) line(what, expected, found, expected === found ? 'ok' : 'WRONG');
  const right = rows.every(([, expected, found]) => expected === found);
  console.log(right ? '\neverything adds up' : '\nsomething does not add up');
  process.exitCode = right ? 0 : 1;
}

/** What `find` gives for each of these, by id, waiting for those of which it gives nothing yet. */
async function gather(wanted, find) {
  const found = new Map();
  for (const end = Date.now() + patience; ; await sleep(500)) {
    const missing = wanted.filter(({ id }) => !found.has(id));
    if (missing.length === 0 || Date.now() > end) return found;
    await inParallel(
      () => missing.pop(),
      async (one) => {
        const answer = await find(one);
        if (answer) found.set(one.id, answer);
      },
    );
  }
}

/** Whether the letter about an order could not be written, and somebody may see why. */
async function isUndelivered({ id }) {
  const { ok, text } = await post('/mail/undelivered', {});
  const failures = ok ? text.split('\n').filter(Boolean) : [];
  return failures.some((line) => JSON.parse(line).order === id);
}

/** Calls until it is answered. What cannot be right the next time either ends everything. */
async function insist(path, body) {
  for (const end = Date.now() + patience; ; await sleep(50 + Math.random() * 200)) {
    const { ok, status, text } = await post(path, body);
    if (ok) return;
    if (status === 400 || status === 409 || Date.now() > end)
      throw new Error(`${path} ${JSON.stringify(body)}: ${status} ${text}`);
    repeated++;
  }
}

/** Undefined where there is no answer, or none yet. */
async function ask(path, body) {
  const { ok, text } = await post(path, body);
  return ok ? JSON.parse(text) : undefined;
}

async function post(path, body) {
  try {
    const answer = await fetch(api + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { ok: answer.ok, status: answer.status, text: await answer.text() };
  } catch (error) {
    return { ok: false, status: 0, text: String(error.cause ?? error) };
  }
}

/** So many callers at a time, until `take` gives nothing more. */
async function inParallel(take, work) {
  const caller = async () => {
    for (let one = take(); one !== undefined; one = take()) await work(one);
  };
  await Promise.all(Array.from({ length: Number(values.callers) }, caller));
}

function sum(list) {
  return list.reduce((total, { quantity }) => total + quantity, 0);
}
