import { checkDeliveries, compileProgram, type Program, startProgram, temporaryFolder, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { patience } from './broker.js';
import type { Order, Report } from './peer.program.js';

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never;

/** A process that publishes and subscribes. */
interface Peer {
  readonly program: Program;
  /** What its subscriptions got, by their names. */
  readonly got: Map<string, string[]>;
  tell(order: Unnumbered<Order>): Promise<{ readonly held: number }>;
}

const texts = (count: number, from = 0) => Array.from({ length: count }, (_, index) => `${index + from}`);
const soon = { timeout: 15_000, interval: 10 };

export interface ProcessesContractOptions {
  /** Of peer.program.ts, for one process. */
  readonly args: () => Promise<readonly string[]>;
  /**
   * Who has a message when publishing has resolved: the subscriber's process, or a server on the way to it. What such a server has sent to a
   * subscriber who is killed, and to one who stands still, is lost, or late.
   */
  readonly handedTo: 'subscriber' | 'server';
}

/** What holds between processes, on an adapter that they share. */
export function processesContract(adapter: string, { args, handedTo }: ProcessesContractOptions): void {
  describe(`${adapter} broker of several processes`, { timeout: 60_000 }, () => {
    let folder: Awaited<ReturnType<typeof temporaryFolder>>;
    let file: string;
    let programs: Program[] = [];

    beforeAll(async () => {
      folder = await temporaryFolder();
      file = await compileProgram(new URL('peer.program.ts', import.meta.url), folder.path);
    });
    afterEach(async () => {
      for (const { child, stop } of programs) {
        child.kill('SIGCONT');
        child.kill('SIGKILL');
        await stop();
      }
      programs = [];
    });
    afterAll(() => folder[Symbol.asyncDispose]());

    async function peer(): Promise<Peer> {
      const program = startProgram(file, {}, await args());
      programs.push(program);
      await program.ready();
      const got = new Map<string, string[]>();
      const reports: Report[] = [];
      program.child.on('message', (report: Report) => {
        if ('got' in report) got.set(report.as, [...(got.get(report.as) ?? []), report.got]);
        else reports.push(report);
      });
      let count = 0;
      const tell = async (order: Unnumbered<Order>) => {
        const id = count++;
        program.child.send({ ...order, id });
        const isMine = (report: Report) =>
          ('done' in report && report.done === id) || ('failed' in report && report.failed === id);
        const report = await until(`${order.do} is done`, () => reports.find(isMine), 20_000);
        if ('failed' in report) throw new Error(report.detail);
        return report as { readonly held: number };
      };
      return { program, got, tell };
    }

    it('a subscription is in force for other processes when subscribing has resolved', async () => {
      const [publisher, subscriber] = await Promise.all([peer(), peer()]);
      await publisher.tell({ do: 'publish', topic: 'orders', texts: ['to nobody'] });
      for (let times = 0; times < 60; times++) {
        await subscriber.tell({ do: 'subscribe', topic: 'orders', as: `${times}` });
        await publisher.tell({ do: 'publish', topic: 'orders', texts: [`${times}`] });
        await expect.poll(() => subscriber.got.get(`${times}`), soon).toEqual([`${times}`]);
      }
    });

    it('two publishers and five subscribers, whose groups are joined and left meanwhile', async () => {
      const [p, q, one, two, three] = await Promise.all([peer(), peer(), peer(), peer(), peer()]);
      const topic = 'history';
      const join = (who: Peer, as: string, queue?: string) => who.tell({ do: 'subscribe', topic, queue, as });
      // Two that nobody leaves, one that is joined and left, and who hears everything.
      await Promise.all([join(one, 'stock 1', 'stock'), join(two, 'stock 2', 'stock')]);
      await Promise.all([join(one, 'mail 1', 'mail'), join(two, 'mail 2', 'mail')]);
      await Promise.all([join(one, 'all 1'), join(three, 'all 3')]);
      const count = 1_500;
      const sent = ['p', 'q'].flatMap((publisher) =>
        Array.from({ length: count }, (_, sequence) => ({ publisher, sequence })),
      );
      const publish = (who: Peer, publisher: string) =>
        who.tell({ do: 'publish', topic, texts: texts(count).map((text) => `${publisher} ${text}`) });
      const publishing = Promise.all([publish(p, 'p'), publish(q, 'q')]);
      const heard = (least: number) => until('it goes on', () => (one.got.get('all 1')?.length ?? 0) >= least, 20_000);
      await heard(300);
      await join(three, 'mail 3', 'mail');
      await join(three, 'stock 3', 'stock');
      await heard(900);
      await one.tell({ do: 'unsubscribe', as: 'mail 1' });
      await publishing;
      const all = () => ['all 1', 'all 3'].map((as) => [one, three].flatMap(({ got }) => got.get(as) ?? []).length);
      await expect.poll(all, soon).toEqual([2 * count, 2 * count]);
      const of = (...groups: string[]) =>
        [one, two, three].flatMap(({ got }) =>
          [...got].flatMap(([as, lines]) => {
            const group = as.slice(0, as.indexOf(' '));
            if (!groups.includes(group)) return [];
            return lines.map((line) => {
              const [publisher = '', sequence] = line.split(' ');
              return { publisher, sequence: Number(sequence), subscriber: as, group: group === 'all' ? '' : group };
            });
          }),
        );
      await expect.poll(() => of('stock').length, soon).toBe(2 * count);
      const check = (groups: string[], times: 'exactly once' | 'at most once', receivers: string[]) =>
        checkDeliveries({ sent, received: of(...groups), receivers }, { times, order: 'subscriber' });
      expect(check(['all', 'stock'], 'exactly once', ['stock', 'all 1', 'all 3'])).toEqual([]);
      // What waited with the one that left is dropped with it.
      expect(check(['mail'], 'at most once', [])).toEqual([]);
      expect(of('mail').length).toBeGreaterThan(2 * count - 100);
      for (const as of ['mail 3', 'stock 3']) expect(three.got.get(as)?.length, as).toBeGreaterThan(50);
    });

    it('kill -9 of a subscriber holds nobody up, and its queue goes on without it', async () => {
      const [publisher, one, other] = await Promise.all([peer(), peer(), peer()]);
      await one.tell({ do: 'subscribe', topic: 'orders', as: 'all' });
      await one.tell({ do: 'subscribe', topic: 'orders', queue: 'q', as: 'q' });
      await other.tell({ do: 'subscribe', topic: 'orders', as: 'all' });
      await other.tell({ do: 'subscribe', topic: 'orders', queue: 'q', as: 'q' });
      await publisher.tell({ do: 'publish', topic: 'orders', texts: texts(100) });
      await expect.poll(() => other.got.get('all')?.length, soon).toBe(100);
      one.program.child.kill('SIGKILL');
      await one.program.exited;
      const probe = (text: string) => text.startsWith('probe');
      if (handedTo === 'server') {
        let probes = 0;
        await until('it is noticed', async () => {
          const round = Array.from({ length: 10 }, () => `probe ${probes++}`);
          await publisher.tell({ do: 'publish', topic: 'orders', texts: round });
          await expect.poll(() => other.got.get('all')?.at(-1), soon).toBe(round.at(-1));
          return round.every((text) => other.got.get('q')?.includes(text));
        });
      }
      const { held } = await publisher.tell({ do: 'publish', topic: 'orders', texts: texts(200, 100) });
      // One time may be a machine that is busy.
      expect(held).toBeLessThanOrEqual(1);
      await expect.poll(() => other.got.get('all')?.filter((text) => !probe(text)), soon).toEqual(texts(300));
      // What had gone to the one that was killed before its end was noticed is nobody's: one message, in a publisher who waits for each.
      const missing = () => texts(200, 100).filter((text) => !other.got.get('q')?.includes(text));
      await expect.poll(() => missing().length, soon).toBeLessThanOrEqual(handedTo === 'subscriber' ? 1 : 0);
      const sent = texts(300).map((text) => ({ publisher: 'p', sequence: Number(text) }));
      const received = [one, other].flatMap(({ got }, which) =>
        ['all', 'q'].flatMap((as) =>
          (got.get(as) ?? [])
            .filter((text) => !probe(text))
            .map((text) => ({
              publisher: 'p',
              sequence: Number(text),
              subscriber: `${as} ${which}`,
              group: as === 'q' ? 'q' : '',
            })),
        ),
      );
      const promise = { times: 'at most once', order: 'subscriber' } as const;
      expect(checkDeliveries({ sent, received, receivers: [] }, promise)).toEqual([]);
    });

    if (handedTo !== 'subscriber') return;
    it('SIGSTOP of a subscriber holds its publisher up once, and costs its queue what it had been sent', async () => {
      const [publisher, stopped, other] = await Promise.all([peer(), peer(), peer()]);
      await stopped.tell({ do: 'subscribe', topic: 'orders', as: 'all' });
      await stopped.tell({ do: 'subscribe', topic: 'orders', queue: 'q', as: 'q' });
      await other.tell({ do: 'subscribe', topic: 'orders', as: 'all' });
      await other.tell({ do: 'subscribe', topic: 'orders', queue: 'q', as: 'q' });
      await publisher.tell({ do: 'publish', topic: 'orders', texts: texts(20) });
      await expect.poll(() => other.got.get('all')?.length, soon).toBe(20);
      const before = () => [...(stopped.got.get('q') ?? []), ...(other.got.get('q') ?? [])].length;
      await expect.poll(before, soon).toBe(20);
      stopped.program.child.kill('SIGSTOP');
      const begin = performance.now();
      await publisher.tell({ do: 'publish', topic: 'orders', texts: texts(100, 20) });
      expect(performance.now() - begin).toBeLessThan(10 * patience);
      await expect.poll(() => other.got.get('all'), soon).toEqual(texts(120));
      const missing = () => texts(100, 20).filter((text) => !other.got.get('q')?.includes(text));
      await expect.poll(() => missing().length, soon).toBeLessThanOrEqual(1);
      stopped.program.child.kill('SIGCONT');
      await expect
        .poll(async () => {
          await publisher.tell({ do: 'publish', topic: 'orders', texts: ['again'] });
          return stopped.got.get('all')?.at(-1);
        }, soon)
        .toBe('again');
      await expect.poll(() => missing().filter((text) => !stopped.got.get('q')?.includes(text)), soon).toEqual([]);
    });
  });
}
