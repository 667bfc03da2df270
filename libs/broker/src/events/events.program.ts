/**
 * For specs: a process of its own that uses events. Arguments: what to do; which events, as the place of one in JSON; how, in JSON. What it did it says
 * a line each.
 */
import { writeSync } from 'node:fs';
import { MicroError } from '@micro/errors';
import type { ConsumeOptions, Delivery, Events, EventsOptions } from './events.js';
import { type EventsPlace, openPlace } from './events-place.rig.js';

export interface PublishOrder extends EventsOptions {
  readonly publisher: string;
  readonly count: number;
}

/** Every so many-th event, by offset, is never right. */
export interface ConsumeOrder extends ConsumeOptions {
  readonly poison?: number;
}

const stream = 'orders';
const [, , what = '', config = '{}', order = '{}'] = process.argv;

/** At once, so that a process that is killed has said what it did. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}

/** Says `kept <publisher> <sequence> <offset>` of each that was. */
async function publish(events: Events, { publisher, count, namespace }: PublishOrder): Promise<void> {
  const publishing: Promise<void>[] = [];
  for (let sequence = 0; sequence < count; sequence++) {
    const body = Buffer.from(`${publisher} ${sequence}`);
    const said = events
      .publish(stream, { body }, { namespace })
      .then(({ offset }) => say(`kept ${publisher} ${sequence} ${offset}`));
    publishing.push(said);
    if (publishing.length >= 20) await publishing.shift();
  }
  await Promise.all(publishing);
}

/** Says `got <offset> <attempt> <body>` of each that came, `done <offset>` of each that was acknowledged. */
async function consume(events: Events, { poison = Infinity, ...options }: ConsumeOrder): Promise<void> {
  const settle = async ({ event, ack, nack }: Delivery) => {
    if (Number(event.offset) % poison === 0) return nack({ delay: 0, reason: 'poison' });
    await ack();
    say(`done ${event.offset}`);
  };
  for await (const delivery of await events.consume(stream, options)) {
    const { event, attempt } = delivery;
    say(`got ${event.offset} ${attempt} ${Buffer.from(event.body).toString()}`);
    const settled = settle(delivery);
    if (options.inFlight === 1) await settled;
    else settled.catch((error: unknown) => say(`failed ${MicroError.from(error).message}`));
  }
}

/** Fills a small disk, and says how that ended, and whether all is there then that was kept. */
async function fill(events: Events): Promise<void> {
  let kept = 0;
  try {
    for (;;) {
      await events.publish(stream, { body: new Uint8Array(50_000) });
      kept++;
    }
  } catch (error) {
    const { code, detail } = MicroError.from(error);
    say(`${code} ${detail}`);
  }
  const found = (await events.read(stream, { limit: 10_000 })).length;
  say(`${kept > 0 && found === kept}`);
}

async function main(): Promise<void> {
  const events = await openPlace(JSON.parse(config) as EventsPlace);
  try {
    if (what === 'publish') await publish(events, JSON.parse(order) as PublishOrder);
    else if (what === 'consume') await consume(events, JSON.parse(order) as ConsumeOrder);
    else if (what === 'fill') await fill(events);
    else await events.publish(stream, {});
    await events.close();
    say('end');
  } catch (error) {
    say(MicroError.from(error).code);
  }
  // The channel to whoever started this would keep it.
  process.disconnect?.();
}

void main();
