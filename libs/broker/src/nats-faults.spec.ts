import { openNats } from '@micro/nats';
import {
  checkDeliveries,
  freePorts,
  haveTool,
  type Link,
  link,
  natsTool,
  type NatsServers,
  startNats,
  until,
} from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { type Broker, brokerLimits, type NewMessage } from './broker.js';
import { openNatsBroker } from './nats.js';
import { subjects } from './nats-packets.js';

const soon = { timeout: 20_000, interval: 10 };
const unavailable = { code: 'unavailable', id: 'broker' };
let opened: Broker[] = [];
afterEach(async () => {
  await Promise.all(opened.map((broker) => broker.close()));
  opened = [];
});

async function open(servers: readonly string[], warn: (message: string) => void = () => undefined): Promise<Broker> {
  const broker = await openNatsBroker({ servers, warn });
  opened.push(broker);
  return broker;
}

/** What comes, as texts. */
async function listen(broker: Broker, options?: Parameters<Broker['subscribe']>[1]): Promise<string[]> {
  const subscription = await broker.subscribe('orders', options);
  const texts: string[] = [];
  const read = async () => {
    for await (const { body } of subscription) texts.push(new TextDecoder().decode(body));
  };
  void read();
  return texts;
}

const message = (text: string): NewMessage => ({ body: new TextEncoder().encode(text) });

describe.skipIf(!haveTool(natsTool))('the broker on NATS', { timeout: 90_000 }, () => {
  it.each(['stop', 'kill'] as const)('goes on by itself after %s and start of its server', async (end) => {
    await using server = await startNats();
    const [member] = server.members as [(typeof server.members)[0]];
    const [publisher, subscriber] = [await open(server.addresses), await open(server.addresses)];
    const everything = await listen(subscriber);
    const shared = [await listen(subscriber, { queue: 'q' }), await listen(publisher, { queue: 'q' })];
    await publisher.publish('orders', message('before'));
    await expect.poll(() => everything, soon).toEqual(['before']);
    await member[end]();
    await until('its absence is noticed', () =>
      publisher.publish('orders', message('away')).then(
        () => false,
        () => true,
      ),
    );
    const begin = performance.now();
    // More than any buffer would hold: nothing of it is kept.
    const large = { body: new Uint8Array(brokerLimits.bodyBytes) };
    for (let times = 0; times < 1_000; times++)
      await expect(publisher.publish('orders', large)).rejects.toMatchObject({
        ...unavailable,
        detail: expect.stringContaining(server.addresses[0] as string),
      });
    expect(performance.now() - begin).toBeLessThan(10_000);
    await expect(subscriber.subscribe('orders')).rejects.toMatchObject(unavailable);
    await expect(subscriber.topics()).rejects.toMatchObject(unavailable);
    await member.start();
    await expect
      .poll(() => publisher.publish('orders', message('after')).then(() => everything.at(-1)), soon)
      .toBe('after');
    const before = shared.flat().length;
    await expect
      .poll(() => publisher.publish('orders', message('again')).then(() => shared.flat().length), soon)
      .toBeGreaterThan(before);
    expect(everything.filter((text) => text === 'away')).toEqual([]);
    expect(await publisher.topics()).toEqual(['orders']);
  });

  it('says soon that a server does not answer, and goes on when it does', async () => {
    await using server = await startNats();
    const [member] = server.members as [(typeof server.members)[0]];
    const broker = await open(server.addresses);
    const texts = await listen(broker);
    await broker.publish('orders', message('before'));
    member.pause();
    const missed = () =>
      broker.publish('orders', message('lost')).then(
        () => false as const,
        (error: unknown) => error,
      );
    expect(await until('an answer is missed', missed)).toMatchObject(unavailable);
    member.resume();
    await expect.poll(() => broker.publish('orders', message('after')).then(() => texts.at(-1)), soon).toBe('after');
  });

  it('goes on with the others when a member of the cluster is killed under load', async () => {
    await using cluster = await startNats({ members: 3 });
    const [one, two, three] = cluster.addresses as [string, string, string];
    const publishers = { p: await open([two, three]), q: await open([one, two, three]) };
    const subscribers = [await open([one, two, three]), await open([two]), await open([three])];
    const everything = await Promise.all(subscribers.map((broker) => listen(broker)));
    const queue = await Promise.all(subscribers.map((broker) => listen(broker, { queue: 'q' })));
    const sent: { publisher: string; sequence: number }[] = [];
    let stopped = false;
    const publish = async (publisher: 'p' | 'q') => {
      for (let sequence = 0; !stopped; sequence++) {
        sent.push({ publisher, sequence });
        await publishers[publisher].publish('orders', message(`${publisher} ${sequence}`)).catch(() => undefined);
        await new Promise(setImmediate);
      }
    };
    const publishing = [publish('p'), publish('q')];
    await until('it flows', () => everything.every(({ length }) => length > 200));
    await cluster.members[0]?.kill();
    const mark = everything.map(({ length }) => length);
    await until(
      'it flows again',
      () => everything.every(({ length }, at) => length > (mark[at] as number) + 500),
      60_000,
    );
    const flowing = sent.at(-1)?.sequence as number;
    await until('the queue goes on', () => queue.flat().length > flowing / 2, 30_000);
    stopped = true;
    await Promise.all(publishing);
    // In force again everywhere: from now on nothing is missed.
    for (let last = 0; last < 50; last++) {
      const sequence = 1_000_000 + last;
      sent.push({ publisher: 'p', sequence });
      await publishers.p.publish('orders', message(`p ${sequence}`));
    }
    for (const texts of everything)
      await expect.poll(() => texts.filter((text) => / 10000\d\d$/.test(text)).length, soon).toBe(50);
    const received = [...everything, ...queue].flatMap((texts, at) =>
      texts.map((text) => {
        const [publisher = '', sequence] = text.split(' ');
        return { publisher, sequence: Number(sequence), subscriber: `${at}`, group: at < 3 ? '' : 'q' };
      }),
    );
    const promise = { times: 'at most once', order: 'subscriber' } as const;
    expect(checkDeliveries({ sent, received, receivers: [] }, promise)).toEqual([]);
  });

  it('goes on on either side when members of the cluster lose each other, and as one when they have met again', async () => {
    const [one, two] = (await freePorts(2)) as [number, number];
    const way = await link(`127.0.0.1:${two}`);
    const member = (name: string, port: number, route = '') => {
      const cluster = `cluster { name: test, listen: "127.0.0.1:${port}", routes: [${route}] }`;
      // JetStream would ask for more members.
      return startNats({ config: `server_name: ${name}\njetstream: disabled\n${cluster}` });
    };
    const servers = await Promise.all([member('a', one, `nats-route://${way.address}`), member('b', two)]);
    await using _first = servers[0];
    await using _second = servers[1];
    const [left, right] = [await open(servers[0].addresses), await open(servers[1].addresses)];
    const texts = [await listen(left), await listen(right)] as const;
    const known = await listen(right, { queue: 'known' });
    await until('they have met', async () => {
      await left.publish('orders', message('both'));
      return [...texts, known].every((all) => all.at(-1) === 'both');
    });
    way.cut();
    await until('they have lost each other', async () => {
      await left.publish('orders', message('left'));
      await right.publish('orders', message('right'));
      return texts[0].at(-1) === 'left' && texts[1].at(-1) === 'right';
    });
    const shared = await listen(right, { queue: 'q' });
    await right.publish('orders', message('own'));
    await expect.poll(() => [texts[1].at(-1), ...shared], soon).toEqual(['own', 'own']);
    way.mend();
    await until('what is said on one side is heard on the other, also by who came meanwhile', async () => {
      await left.publish('orders', message('again'));
      return [texts[1], known, shared].every((all) => all.at(-1) === 'again');
    });
    await left.publish('orders', message('last'));
    await expect.poll(() => [...texts, known, shared].every((all) => all.at(-1) === 'last'), soon).toBe(true);
    await way.end();
  });

  it('is not cut off by the server for a subscriber that takes nothing, whatever is published', async () => {
    await using server = await startNats({ config: 'max_pending: 8MB' });
    const warnings: string[] = [];
    const publishers = await Promise.all(
      Array.from({ length: 2 }, () => open(server.addresses, (text) => warnings.push(text))),
    );
    const subscriber = await open(server.addresses, (text) => warnings.push(text));
    await subscriber.subscribe('orders', { buffer: 1 });
    const other = await subscriber.subscribe('other');
    const large = { body: new Uint8Array(brokerLimits.bodyBytes) };
    const flood = publishers.map((one) => Promise.all(Array.from({ length: 40 }, () => one.publish('orders', large))));
    await publishers[0]?.publish('other', message('heard'));
    const { value } = await other[Symbol.asyncIterator]().next();
    expect(new TextDecoder().decode(value.body)).toBe('heard');
    await Promise.all(flood);
    expect(warnings).toEqual([]);
  });

  it.each([65_536, 8_192])(
    'carries what the limits allow where the server takes messages of %d bytes',
    async (most) => {
      await using server = await startNats({ config: `max_payload: ${most}` });
      const broker = await open(server.addresses);
      const headers = { a: 'x'.repeat(brokerLimits.headerBytes - 1) };
      const body = new Uint8Array(brokerLimits.bodyBytes).map((_, index) => (index * 7) % 256);
      for (const queue of ['', 'q']) {
        const subscription = await broker.subscribe('orders', { queue });
        await broker.publish('orders', { body, headers });
        const { value } = await subscription[Symbol.asyncIterator]().next();
        expect([Buffer.compare(value.body, body), value.headers]).toEqual([0, headers]);
        await subscription.close();
      }
    },
  );

  it('needs no more rights than the docs say', async () => {
    const rights = '["micro.broker.>", "_INBOX.>"]';
    const user = `{ user: u, password: p, permissions: { publish: ${rights}, subscribe: ${rights} } }`;
    await using server = await startNats({ config: `authorization { users: [ ${user} ] }\nno_auth_user: u` });
    const warnings: string[] = [];
    const [publisher, subscriber] = await Promise.all(
      [0, 1].map(() => open(server.addresses, (text) => warnings.push(text))),
    );
    const got = [await listen(subscriber as Broker), await listen(subscriber as Broker, { queue: 'q' })];
    await publisher?.publish('orders', message('hello'));
    for (const texts of got) await expect.poll(() => texts, soon).toEqual(['hello']);
    expect(warnings).toEqual([]);
  });

  it('finds out when it has missed who is subscribed', async () => {
    await using server = await startNats();
    const [publisher, subscriber] = [await open(server.addresses), await open(server.addresses)];
    const texts = await listen(subscriber, { queue: 'q' });
    const nats = await openNats({ servers: server.addresses, id: 'broker' });
    // Somebody hears wrongly that it has left, as who has missed something does.
    const said = new Promise<{ id: string; version: number }>((resolve) => {
      nats.subscribe(subjects.everybody, (heard) => {
        const { version, ...what } = heard.json<{ id: string; version: number }>();
        if (version === 1) resolve({ ...what, version });
      });
    });
    const { id, version } = await said;
    nats.connection.publish(subjects.everybody, JSON.stringify({ do: 'leave', id, version: version + 1, number: 1 }));
    await until('it is gone', async () => (await publisher.topics()).length === 0);
    await until('it is back', async () => (await publisher.topics()).length === 1);
    await publisher.publish('orders', message('hello'));
    await expect.poll(() => texts, soon).toEqual(['hello']);
    await nats.close();
  });

  it('is refused, with what to do, by a server that takes next to nothing, or does not let it listen', async () => {
    await using small = await startNats({ config: 'max_payload: 1024' });
    await expect(open(small.addresses)).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining('max_payload'),
    });
    const permissions = 'permissions: { publish: ">", subscribe: "_INBOX.>" }';
    const config = `authorization { users: [ { user: u, password: p, ${permissions} } ] }\nno_auth_user: u`;
    await using strict = await startNats({ config });
    await expect(open(strict.addresses)).rejects.toMatchObject({
      code: 'permission_denied',
      detail: expect.stringContaining('micro.broker'),
    });
  });
});

describe.skipIf(!haveTool(natsTool))('what is under way on NATS', { timeout: 60_000 }, () => {
  let way: Link;
  let told: string[];
  afterEach(() => way.end());

  /** A broker whose connection can be cut. */
  const openBehindLink = async (server: NatsServers) => {
    way = await link(server.addresses[0] as string);
    told = [];
    return open([way.address], (text) => told.push(text));
  };
  const drop = async () => {
    const before = told.length;
    way.cut();
    way.mend();
    await until('the connection is there again', () => told.length >= before + 2);
  };
  /** Whatever it comes to, it comes to an end. */
  const ends = async (...all: readonly Promise<unknown>[]) => {
    for (const result of await Promise.allSettled(all))
      if (result.status === 'rejected') expect(result.reason).toMatchObject(unavailable);
  };

  it('ends when the connection is lost before it is known who is there', async () => {
    await using server = await startNats();
    const broker = await openBehindLink(server);
    const nats = await openNats({ servers: server.addresses, id: 'broker' });
    // Somebody who says that he is there, and then nothing more, so that he is waited for.
    const id = '0123456789abcdef';
    const asked = new Promise((resolve) => nats.subscribe(subjects.process(id, 'ask'), resolve));
    const here = { do: 'here', id, server: '', session: 1, version: 1 };
    nats.connection.publish(subjects.everybody, JSON.stringify(here));
    await asked;
    await drop();
    const ended = ends(broker.publish('orders', message('a')), broker.topics());
    await drop();
    await ended;
    await broker.publish('orders', message('b'));
    await nats.close();
  });

  it('ends when the connection is lost while a slow subscriber is waited for', async () => {
    await using server = await startNats();
    const broker = await openBehindLink(server);
    const other = await open(server.addresses);
    await other.subscribe('orders', { buffer: 1 });
    await broker.publish('orders', message('0'));
    const ended = ends(...[1, 2, 3].map((number) => broker.publish('orders', message(`${number}`))));
    // The server has them.
    await broker.topics();
    await drop();
    await ended;
  });

  it('is not waited for when the connection is lost while a member of a queue is asked: what follows goes to it', async () => {
    await using server = await startNats();
    const broker = await openBehindLink(server);
    const other = await open(server.addresses);
    const subscription = await other.subscribe('orders', { queue: 'q', buffer: 1 });
    await broker.publish('orders', message('0'));
    const ended = ends(broker.publish('orders', message('1')));
    // The server has it.
    await broker.topics();
    way.cut();
    // The answer finds nobody.
    const texts: string[] = [];
    const read = async () => {
      for await (const { body } of subscription) texts.push(new TextDecoder().decode(body));
    };
    void read();
    await until('it is taken', () => texts.length > 0);
    way.mend();
    await until('the connection is there again', () => told.length >= 2);
    await ended;
    await broker.publish('orders', message('after'));
    await other.publish('orders', message('last'));
    await expect.poll(() => texts.at(-1), soon).toBe('last');
    expect(texts.filter((text) => text !== '1')).toEqual(['0', 'after', 'last']);
  });

  it('goes to the only one of a queue again when that one has been away for a moment', async () => {
    await using server = await startNats();
    const subscriber = await openBehindLink(server);
    const publisher = await open(server.addresses);
    const texts = await listen(subscriber, { queue: 'q' });
    await publisher.publish('orders', message('before'));
    await expect.poll(() => texts, soon).toEqual(['before']);
    way.cut();
    // Nobody is there to take it.
    await until('it is lost', async () => {
      const count = texts.length;
      await publisher.publish('orders', message('lost'));
      return texts.length === count;
    });
    way.mend();
    await until('the connection is there again', () => told.length >= 2);
    await until('it is heard of again', async () => {
      await publisher.publish('orders', message('after'));
      return texts.at(-1) === 'after';
    });
  });
});
