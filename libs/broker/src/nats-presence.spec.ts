import { type NatsClient, openNats } from '@micro/nats';
import { freePort, haveTool, link, natsTool, type NatsServers, startNats, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { keyOf, subjects, toMessages } from './nats-packets.js';
import { type Listed, Processes } from './nats-processes.js';

/** A process that says only what it is told to. */
const other = '0123456789abcdef';
const third = 'fedcba9876543210';
const orders: Listed = { number: 1, namespace: 'micro', topic: 'orders', queue: 'q' };
const here = { do: 'here', id: other, server: '', session: 1, version: 0 };

describe.skipIf(!haveTool(natsTool))('who is there, on NATS', { timeout: 30_000 }, () => {
  let server: NatsServers;
  let raw: NatsClient;
  let nats: NatsClient;
  let processes: Processes | undefined;
  /** What this process has noticed. */
  let noticed: string[];

  beforeAll(async () => void (server = await startNats()));
  afterAll(() => server[Symbol.asyncDispose]());
  beforeEach(async () => {
    noticed = [];
    [raw, nats] = await Promise.all([open(server.addresses), open(server.addresses)]);
  });
  afterEach(async () => {
    vi.useRealTimers();
    await end();
  });

  const open = (servers: readonly string[]) => openNats({ id: 'broker', servers, warn: () => undefined });
  const begin = (): Processes => {
    const note = (what: string) => (id: string) => void noticed.push(`${what} ${nameOf(id)}`);
    const started = new Processes(nats, {
      joined: (id, { number }) => note(`joined ${number}, complete: ${started.isComplete},`)(id),
      left: (id, { number }) => note(`left ${number},`)(id),
      here: note('here'),
      again: note('again'),
      gone: note('gone'),
    });
    processes = started;
    return started;
  };
  const end = async () => {
    processes?.close();
    processes = undefined;
    await Promise.all([raw.close(), nats.close()]);
  };
  const nameOf = (id: string) => (id === other ? 'other' : id === third ? 'third' : 'this');
  const say = (said: object) => raw.connection.publish(subjects.everybody, JSON.stringify(said));
  const tell = (id: string, table: object) => {
    const known = { id: other, server: '', session: 1, version: 1, subscriptions: [orders], processes: [], ...table };
    const [message] = toMessages(keyOf({ process: other, number: 0 }), [Buffer.from(JSON.stringify(known))], 65_536);
    raw.connection.publish(subjects.process(id, 'table'), message);
  };
  /** What was said by now has been heard. */
  const heard = async () => {
    await raw.flush();
    await nats.flush();
  };

  it('is not known before anybody has told, though somebody else leaves', async () => {
    raw.subscribe(subjects.hello, (message) => {
      const id = message.string();
      say({ ...here, id: third });
      say({ do: 'gone', id: third });
      tell(id, {});
    });
    await raw.flush();
    await begin().complete();
    expect(noticed).toContain('joined 1, complete: false, other');
  });

  it('is known of those who had told while this process stood still', async () => {
    raw.subscribe(subjects.hello, () => undefined);
    await raw.flush();
    const started = begin();
    // It has greeted, and nobody answers for now.
    await heard();
    tell(started.id, {});
    await new Promise(setImmediate);
    // The answer comes, and is not read until all patience is over.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_200);
    await started.complete();
    expect([...started.of('micro')]).toEqual([{ process: other, subscription: orders }]);
  });

  it('goes by signs of life, not by a clock that is set', async () => {
    const started = begin();
    await started.complete();
    say(here);
    await until('it is known', () => noticed.includes('here other'));
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 });
    const before = noticed.length;
    await until(
      'this process has given signs of life',
      () => noticed.slice(before).filter((one) => one === 'here this').length >= 2,
    );
    expect(noticed).not.toContain('gone other');
  });

  it('is not what was said over a connection that has been given up', async () => {
    const started = begin();
    await started.complete();
    say({ ...here, session: 2, version: 1 });
    tell(started.id, { session: 2 });
    await heard();
    // A server had kept that.
    tell(started.id, { session: 1, version: 0, subscriptions: [] });
    say(here);
    await heard();
    expect([...started.of('micro')].map(({ subscription }) => subscription)).toEqual([orders]);
    expect(noticed).not.toContain('again other');
  });

  it('knows at once who joins, also if something was missed before', async () => {
    const started = begin();
    await started.complete();
    const asked: string[] = [];
    raw.subscribe(subjects.process(other, 'ask'), (message) => void asked.push(message.string()));
    say({ do: 'join', id: other, version: 3, subscription: orders });
    await heard();
    expect([...started.of('micro')]).toEqual([{ process: other, subscription: orders }]);
    await until('the rest is asked for', () => asked.includes(started.id));
    tell(started.id, { version: 3 });
    await heard();
    expect(noticed.filter((one) => one.includes('other'))).toEqual(['joined 1, complete: true, other']);
  });

  it('is told anew of what is subscribed to over a connection that was lost meanwhile', async () => {
    // A member of a cluster, of which others are only said to be there.
    const cluster = `cluster { name: test, listen: "127.0.0.1:${await freePort()}" }`;
    await using member = await startNats({ config: `server_name: a\njetstream: disabled\n${cluster}` });
    const way = await link(member.addresses[0] as string);
    await end();
    raw = await open(member.addresses);
    nats = await open([way.address]);
    const started = begin();
    nats.listen((connected) => (connected ? started.again() : started.lost()));
    await started.complete();
    const elsewhere = { ...here, server: 'elsewhere' };
    let pings = 0;
    raw.subscribe(subjects.hello, () => say(elsewhere));
    raw.subscribe(subjects.process(other, 'ping'), (message) => {
      // The first is answered by nobody.
      if (++pings > 1) message.respond();
    });
    say(elsewhere);
    await heard();
    const reached = started.reach();
    await until('it is asked', () => pings === 1);
    way.mend();
    await reached;
    expect(pings).toBe(2);
    await end();
    await way.end();
  });
});
