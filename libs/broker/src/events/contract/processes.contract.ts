import {
  checkDeliveries,
  compileProgram,
  type Program,
  startProgram,
  temporaryFolder,
  until,
  workspaceRoot,
} from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Events } from '../events.js';
import type { ConsumeOrder, PublishOrder } from '../events.program.js';
import { type EventsPlace, openPlace } from '../events-place.rig.js';

/** Milliseconds: processes are started and killed. */
const timeout = 240_000;
const patience = 120_000;
/** Where a program finds packages that are in no bundle. */
const packages = { NODE_PATH: `${workspaceRoot}/node_modules` };

/** Which events each test uses: of its own, from several processes. */
export interface ProcessesRig {
  readonly config: () => Promise<EventsPlace>;
  /** Called when they are used no more. */
  readonly removed?: () => PromiseLike<void>;
}

/** What the contract promises when several processes use the same events, and are killed (F6). */
export function processesContract(adapter: string, rig: ProcessesRig): void {
  describe(`${adapter} events of several processes`, { timeout }, () => {
    let compiled: Awaited<ReturnType<typeof temporaryFolder>>;
    let program: string;
    let config: EventsPlace;
    let namespace: string;
    let events: Events;
    let programs: Program[] = [];

    beforeAll(async () => {
      compiled = await temporaryFolder();
      program = await compileProgram(new URL('../events.program.ts', import.meta.url), compiled.path);
    });
    beforeEach(async () => {
      config = await rig.config();
      namespace = `n-${Math.random().toString(36).slice(2)}`;
      events = await openPlace(config);
    });
    afterEach(async () => {
      await Promise.all(programs.map(kill));
      programs = [];
      await events.close();
      await rig.removed?.();
    });
    afterAll(() => compiled[Symbol.asyncDispose]());

    const start = (what: 'publish' | 'consume', order: PublishOrder | ConsumeOrder): Program => {
      const args = [what, JSON.stringify(config), JSON.stringify({ ...order, namespace })];
      const started = startProgram(program, packages, args);
      programs.push(started);
      return started;
    };
    const publish = async (count: number) => {
      const bodies = Array.from({ length: count }, (_, index) => Buffer.from(`me ${index}`));
      // Not all at once: what waits at a server for longer than a call may take is refused.
      while (bodies.length > 0)
        await Promise.all(bodies.splice(0, 100).map((body) => events.publish('orders', { body }, { namespace })));
    };
    const group = async () => (await events.streams({ namespace }))[0]?.groups[0];
    const settled = () => until('all is settled', async () => (await group())?.pending === 0, patience);
    /** Kills one consumer after the other, each after some work, and lets the last finish. */
    const consumeWithKills = async (
      order: ConsumeOrder,
      { kills, each, count }: { readonly kills: number; readonly each: number; readonly count: number },
    ) => {
      const consumers: Program[] = [];
      for (let killed = 0; killed < kills; killed++) {
        const consumer = start('consume', order);
        consumers.push(consumer);
        await until('it has worked', () => said(consumer, 'got').length > each, patience);
        await kill(consumer);
      }
      consumers.push(start('consume', order));
      await settled();
      const got = () =>
        consumers
          .flatMap((consumer) => said(consumer, 'got'))
          .map(([, offset, attempt]) => ({ offset: Number(offset), attempt: Number(attempt) }));
      // What has been acknowledged may still be on its way here.
      await expect.poll(() => new Set(got().map(({ offset }) => offset)).size, { timeout: 10_000 }).toBe(count);
      return got();
    };

    it('10,000 events reach a group whose consumer is killed ten times', async () => {
      await publish(10_000);
      const order = { group: 'g', ackWait: 1_000, maxDeliveries: 5, poison: 2_500 };
      const got = await consumeWithKills(order, { kills: 10, each: 700, count: 10_000 });
      expect([...new Set(got.map(({ offset }) => offset))].sort((a, b) => a - b)).toEqual(offsets(10_000));
      const first = got.filter(({ attempt }) => attempt === 1).map(({ offset }) => offset);
      expect(first).toEqual([...first].sort((a, b) => a - b));
      expect(new Set(first).size).toBe(first.length);
      const dead = await events.deadLetters('orders', { namespace });
      expect(dead.map(({ event, attempts, reason }) => [event.offset, attempts, reason])).toEqual(
        [2_500n, 5_000n, 7_500n, 10_000n].map((offset) => [offset, 5, 'poison']),
      );
    });

    it('a consumer of one event at a time keeps the order through being killed', async () => {
      await publish(600);
      const order = { group: 'g', ackWait: 200, inFlight: 1, maxDeliveries: 20 };
      const got = (await consumeWithKills(order, { kills: 10, each: 30, count: 600 })).map(({ offset }) => offset);
      expect(got).toEqual([...got].sort((a, b) => a - b));
      expect([...new Set(got)]).toEqual(offsets(600));
    });

    it('what a killed publisher was told is kept, is kept', async () => {
      const kept = new Map<string, number>();
      for (const publisher of ['a', 'b', 'c']) {
        const publishing = start('publish', { publisher, count: 1_000_000 });
        await until('some are kept', () => said(publishing, 'kept').length > 300, patience);
        await kill(publishing);
        for (const [, by, sequence, offset] of said(publishing, 'kept')) kept.set(`${by} ${sequence}`, Number(offset));
      }
      expect(kept.size).toBeGreaterThan(900);
      const found = new Map<string, number>();
      for (let from = 1n; ;) {
        const page = await events.read('orders', { from: { offset: from }, namespace });
        const last = page.at(-1);
        if (!last) break;
        for (const { offset, body } of page) found.set(Buffer.from(body).toString(), Number(offset));
        from = last.offset + 1n;
      }
      for (const [name, offset] of kept) expect(found.get(name), name).toBe(offset);
      expect([...found.values()]).toEqual(offsets(found.size));
    });

    it('two publish at once, in one order; two consume it, each event once', async () => {
      const consumers = ['one', 'other'].map((name) => ({ name, program: start('consume', { group: 'g' }) }));
      const publishers = ['a', 'b'].map((publisher) => start('publish', { publisher, count: 1_500 }));
      await until(
        'all are kept',
        () => publishers.every((publisher) => said(publisher, 'kept').length === 1_500),
        patience,
      );
      await until(
        'all are done',
        () => consumers.reduce((count, consumer) => count + said(consumer.program, 'done').length, 0) === 3_000,
        patience,
      );
      const kept = publishers.flatMap((publisher) => said(publisher, 'kept'));
      expect(kept.map(([, , , offset]) => Number(offset)).sort((a, b) => a - b)).toEqual(offsets(3_000));
      // The order is that of the stream: what a publisher has under way at once may be kept in any.
      const sent = kept.map(([, , , offset]) => ({ publisher: 'all', sequence: Number(offset) }));
      const received = consumers.flatMap(({ name, program: consumer }) =>
        said(consumer, 'got').map(([, offset]) => ({
          publisher: 'all',
          sequence: Number(offset),
          subscriber: name,
          group: 'g',
        })),
      );
      const bodies = new Map(kept.map(([, publisher, sequence, offset]) => [offset, `${publisher} ${sequence}`]));
      for (const [, offset, , ...body] of consumers.flatMap((one) => said(one.program, 'got')))
        expect(body.join(' ')).toBe(bodies.get(offset));
      const promise = { times: 'exactly once', order: 'subscriber' } as const;
      expect(checkDeliveries({ sent, received, receivers: ['g'] }, promise)).toEqual([]);
      for (const { name } of consumers)
        expect(
          received.some(({ subscriber }) => subscriber === name),
          name,
        ).toBe(true);
    });

    it('what another publishes is heard soon', async () => {
      const follower = events.follow('orders', { from: 'oldest', namespace })[Symbol.asyncIterator]();
      const consumer = (await events.consume('orders', { group: 'g', namespace }))[Symbol.asyncIterator]();
      const waiting = [follower.next(), consumer.next()];
      const publisher = start('publish', { publisher: 'a', count: 1 });
      const [followed, consumed] = await Promise.all(waiting);
      expect([followed?.done, consumed?.done]).toEqual([false, false]);
      await until('it is told', () => said(publisher, 'kept').length === 1);
    });
  });
}

/** The lines of a program that begin so, without the last where it may be cut off, as words. */
export function said(by: Program, first: string): string[][] {
  const lines = by.output().split('\n').slice(0, -1);
  return lines.filter((line) => line.startsWith(`${first} `)).map((line) => line.split(' '));
}

export async function kill({ child, exited }: Program): Promise<void> {
  child.kill('SIGKILL');
  await exited;
}

export function offsets(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}
