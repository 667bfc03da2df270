import { MicroError } from '@micro/errors';
import { type NatsClient, openNats } from '@micro/nats';
import { haveTool, natsTool, type NatsServers, startNats, until } from '@micro/testing';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { collecting, text, working } from './contract/taking.fixture.js';
import { defaultRetention } from './events.js';
import { JetstreamEvents } from './jetstream.js';
import { JetstreamDead } from './jetstream-dead.js';
import { ServerClock } from './jetstream-entries.js';
import { GroupJournal } from './jetstream-journal.js';
import { deadPlace, eventsPlace, groupPlace } from './jetstream-names.js';
import { JetstreamServer } from './jetstream-server.js';
import { JetstreamStream } from './jetstream-stream.js';

/** Lets whoever waits for it go on. */
function gate(): { readonly opened: Promise<void>; open(): void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

/** What JetStream answers and tells, in an order that it may come in. */
describe.skipIf(!haveTool(natsTool))('JetStream', { timeout: 60_000 }, () => {
  let servers: NatsServers;
  let nats: NatsClient;
  let server: JetstreamServer;
  let opened: JetstreamEvents[] = [];
  let namespace = '';
  let tests = 0;
  beforeAll(async () => {
    servers = await startNats();
    nats = await openNats({ servers: servers.addresses, id: 'broker', warn: () => undefined });
    server = new JetstreamServer(nats, { address: servers.addresses.join(), replicas: 1 });
  }, 60_000);
  beforeEach(() => {
    namespace = `n${++tests}`;
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await Promise.all(opened.map((events) => events.close()));
    opened = [];
  });
  afterAll(async () => {
    await nats.close();
    await servers[Symbol.asyncDispose]();
  });

  const open = async () => {
    const events = await JetstreamEvents.open({ servers: servers.addresses, warn: () => undefined });
    opened.push(events);
    return events;
  };
  const stream = () => new JetstreamStream(server, { namespace, name: 'orders', retention: defaultRetention });
  const publish = async (of: JetstreamStream, body = '') =>
    (await of.publish({ id: undefined, body: Buffer.from(body), headers: {} })).offset;
  /** Holds back the next answer to what a stream holds, which is given; resolves when there is one. */
  const holding = () => {
    const [given, going] = [gate(), gate()];
    const ask = server.state.bind(server);
    vi.spyOn(server, 'state').mockImplementationOnce(async (...question) => {
      const answer = await ask(...question);
      given.open();
      await going.opened;
      return answer;
    });
    return { given: given.opened, release: going.open };
  };

  it('listens to a stream for who follows it, also where it could not for one before who has left', async () => {
    const [events, other] = [await open(), await open()];
    const [asked, failing] = [gate(), gate()];
    vi.spyOn(JetstreamServer.prototype, 'listen').mockImplementationOnce(async () => {
      asked.open();
      await failing.opened;
      throw new MicroError('unavailable', 'it is away', { id: 'broker' });
    });
    const first = events.follow('orders', { from: 'oldest', namespace })[Symbol.asyncIterator]();
    const ended = first.next();
    await asked.opened;
    await first.return?.();
    const second = events.follow('orders', { from: 'oldest', namespace })[Symbol.asyncIterator]();
    await other.publish('orders', {}, { namespace });
    expect((await second.next()).value?.offset).toBe(1n);
    const next = second.next();
    failing.open();
    expect((await ended).done).toBe(true);
    await other.publish('orders', {}, { namespace });
    expect((await next).value?.offset).toBe(2n);
  });

  it('has told of an event, and the answer of before, or one that tells of an earlier, does not hide it', async () => {
    const [one, other] = [stream(), stream()];
    await publish(other);
    await one.refresh();
    const held = holding();
    const asking = one.refresh();
    await held.given;
    // As the news of the second comes before the answer to who has published the first.
    one.heard(3);
    one.heard(2);
    held.release();
    await asking;
    expect(one.range.last).toBe(3);
  });

  it('has answered a later question, and what it answers to one before counts no more', async () => {
    const [one, other] = [stream(), stream()];
    await publish(other);
    const held = holding();
    const asking = one.refresh();
    await held.given;
    await publish(other);
    await one.refresh();
    held.release();
    await asking;
    expect(one.range.last).toBe(2);
  });

  it('has made a stream again, which is found out once, whoever asks meanwhile', async () => {
    const [one, other] = [stream(), stream()];
    for (const letter of 'abc') await publish(other, letter);
    await one.refresh();
    expect(await one.after(1, 10)).toHaveLength(3);
    const { name } = eventsPlace(namespace, 'orders');
    await nats.connection.request(`$JS.API.STREAM.DELETE.${name}`);
    await publish(other, 'd');
    await Promise.all([one.refresh(), one.refresh(), one.refresh()]);
    expect(one.renewals).toBe(1);
    expect(one.range).toEqual({ first: 1, last: 1 });
  });

  it('has made a stream again that soon holds more than the one before, and who follows and consumes gets all of it', async () => {
    const [events, other] = [await open(), await open()];
    const publishing = async (...texts: string[]) => {
      for (const letter of texts) await other.publish('orders', { body: Buffer.from(letter) }, { namespace });
    };
    const followed = collecting(events.follow('orders', { from: 'oldest', namespace }));
    const consumed = working(await events.consume('orders', { group: 'g', namespace }));
    await publishing('a', 'b', 'c');
    await until('they are followed', () => followed.items.length === 3 && consumed.texts.length === 3);
    // One that has read nothing.
    const reading = vi.spyOn(JetstreamStream.prototype, 'after');
    const news = await open();
    const added = collecting(news.follow('orders', { namespace }));
    await until('it waits', () => reading.mock.calls.some(([from]) => from === 4));
    await nats.connection.request(`$JS.API.STREAM.DELETE.${eventsPlace(namespace, 'orders').name}`);
    await publishing(...'defghi');
    const all = [followed, added];
    await until('the last is followed', () => all.every(({ items }) => items.map(text).includes('i')));
    expect(all.map(({ items }) => items.map(text).join(''))).toEqual(['abcdefghi', 'defghi']);
    await until('it is consumed', () => consumed.texts.includes('i'));
    expect(consumed.texts.join('')).toBe('abcdefghi');
  });

  it('has servers that are behind, and none of them says which dead letter is the last', async () => {
    const dead = new JetstreamDead(server, { namespace, name: 'orders', age: 1e9 });
    const event = { stream: 'orders', offset: 1n, id: 'a', body: new Uint8Array(), headers: {}, publishedAt: 1 };
    const die = (attempts: number) =>
      dead.write({ event, group: 'g', attempts, reason: '', diedAt: attempts }, `death ${attempts}`);
    await die(1);
    const ask = nats.connection.request.bind(nats.connection);
    const { name, subject } = deadPlace(namespace, 'orders');
    const direct = `$JS.API.DIRECT.GET.${name}`;
    const behind = await ask(direct, JSON.stringify({ last_by_subj: `${subject}.g.1` }));
    await die(2);
    vi.spyOn(nats.connection, 'request').mockImplementation(async (...question) =>
      question[0] === direct ? behind : ask(...question),
    );
    const [kept] = await dead.all([{ group: 'g', offset: 1 }]);
    expect(kept?.letter).toMatchObject({ attempts: 2 });
    expect(kept && (await dead.renew(kept, 'again'))).toBe(true);
  });

  it('has lost the end of a journal, and is not believed because others have written as much again meanwhile', async () => {
    const clock = new ServerClock();
    const place = groupPlace(namespace, 'orders', 'g');
    const journal = () => new GroupJournal(server, { place, clock, changed: () => undefined });
    const [first, one, other] = [journal(), journal(), journal()];
    await first.listen();
    first.close();
    // It hears nothing, and knows only what it asks.
    for (let n = 0; n < 3; n++) await one.append({ do: 'join', cursor: 1 });
    one.interrupt();
    await nats.connection.request(`$JS.API.STREAM.DELETE.${place.name}`);
    await other.listen();
    for (let n = 0; n < 4; n++) await other.append({ do: 'join', cursor: 7 });
    const ask = server.state.bind(server);
    vi.spyOn(server, 'state').mockImplementationOnce(async (...question) => {
      const found = await ask(...question);
      return found && { ...found, last: 2 };
    });
    await one.catchUp();
    expect(one.state.cursor).toBe(7);
    other.close();
  });
});
