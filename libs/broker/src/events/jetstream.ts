import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { type NatsClient, type NatsOptions, openNats } from '@micro/nats';
import {
  type ConsumeOptions,
  type Consumer,
  type DeadLetter,
  type DeadLetterOptions,
  type Event,
  Events,
  type EventsOptions,
  type FollowOptions,
  type NewEvent,
  type Published,
  type ReadOptions,
  type Retention,
  type StreamInfo,
  type StreamsOptions,
} from './events.js';
import { Follower } from './follower.js';
import { JetstreamDead } from './jetstream-dead.js';
import type { JetstreamGroup } from './jetstream-group.js';
import { ServerClock } from './jetstream-entries.js';
import { eventsOf, eventsPlace, groupsOf, namesIn } from './jetstream-names.js';
import { JetstreamServer } from './jetstream-server.js';
import { JetstreamStream } from './jetstream-stream.js';
import { JetstreamWatch } from './jetstream-watch.js';
import { LocalConsumer } from './local-consumer.js';
import { compare } from './memory-stream.js';
import {
  checkedEvent,
  checkedGroup,
  checkedLimit,
  checkedNamespace,
  checkedPosition,
  checkedRetention,
  checkedStream,
  checkedTerms,
  closed,
} from './validation.js';

/** How NATS is reached, and how events are kept there. */
export interface JetstreamOptions extends Omit<NatsOptions, 'id'> {
  /** Servers that keep each event: 1, 3 or 5. Default 1. */
  readonly replicas?: number;
  readonly retention?: Retention;
}

/** Events a follower reads at a time. */
const pageLength = 100;
/** Streams beyond which those that nobody waits for are forgotten here. */
const mostKnown = 10_000;
/** Milliseconds after which a follower asks again, when JetStream was not there. */
const awayWait = 250;

/** Events in JetStream of NATS. */
export class JetstreamEvents extends Events {
  readonly #nats: NatsClient;
  readonly #server: JetstreamServer;
  readonly #retention: Retention;
  readonly #clock = new ServerClock();
  /** By namespace and name. */
  readonly #streams = new Map<string, JetstreamWatch>();
  readonly #followers = new Set<Follower>();
  #closed: Promise<void> | undefined;

  private constructor(nats: NatsClient, { servers, replicas = 1 }: JetstreamOptions, retention: Retention) {
    super();
    this.#nats = nats;
    this.#server = new JetstreamServer(nats, { address: servers.join(', '), replicas });
    this.#retention = retention;
    nats.listen((isConnected) => {
      for (const watch of this.#streams.values()) {
        if (isConnected) void watch.poll();
        else watch.lose();
      }
    });
  }

  /** Connects. MicroError as `openNats` says. */
  static async open(options: JetstreamOptions): Promise<JetstreamEvents> {
    const retention = checkedRetention(options.retention);
    const { servers, token, nkey, credentials, tls, name, warn } = options;
    const nats = await openNats({ id: 'broker', servers, token, nkey, credentials, tls, name, warn });
    return new JetstreamEvents(nats, options, retention);
  }

  override async publish(stream: string, event: NewEvent, options: EventsOptions = {}): Promise<Published> {
    const name = checkedStream(stream);
    return this.#watch(options, name).stream.publish(checkedEvent(event));
  }

  override async read(stream: string, options: ReadOptions = {}): Promise<readonly Event[]> {
    const name = checkedStream(stream);
    const limit = checkedLimit(options.limit);
    const from = checkedPosition(options.from ?? 'oldest');
    return this.#watch(options, name).stream.read(from, limit);
  }

  override follow(stream: string, options: FollowOptions = {}): AsyncIterable<Event> {
    return { [Symbol.asyncIterator]: () => this.#follow(stream, options) };
  }

  override async consume(stream: string, options: ConsumeOptions): Promise<Consumer> {
    const terms = checkedTerms(options);
    const from = checkedPosition(options.from ?? 'oldest');
    const [name, group] = [checkedStream(stream), checkedGroup(options.group)];
    const watch = this.#watch(options, name);
    const ledger = await watch.join(group, from);
    const left = () => {
      watch.delete(consumer);
      void watch.leave(group);
    };
    const consumer: LocalConsumer = new LocalConsumer({ ledger, terms, signal: options.signal, left });
    watch.add(consumer, group);
    if (!this.#closed) return consumer;
    await consumer.close();
    throw closed();
  }

  override async streams(options: StreamsOptions = {}): Promise<readonly StreamInfo[]> {
    this.#check();
    const namespace = checkedNamespace(options.namespace);
    const wanted = options.stream === undefined ? undefined : checkedStream(options.stream);
    const [streams, groups] = await Promise.all([
      wanted === undefined ? this.#server.subjects(eventsOf(namespace)) : [eventsPlace(namespace, wanted).subject],
      this.#server.subjects(groupsOf(namespace, wanted)),
    ]);
    const inGroups = groups.map(namesIn);
    const infos = streams.map((subject) => {
      const { stream } = namesIn(subject);
      const names = inGroups.filter((found) => found.stream === stream).map(({ group }) => group);
      return this.#info(this.#watch(options, stream), names.sort(compare));
    });
    const found = (await Promise.all(infos)).filter((info) => info !== undefined);
    return found.sort((one, other) => compare(one.stream, other.stream));
  }

  override async deadLetters(stream: string, options: DeadLetterOptions = {}): Promise<readonly DeadLetter[]> {
    const wanted = options.group === undefined ? undefined : checkedGroup(options.group);
    const watch = this.#watch(options, checkedStream(stream));
    const subjects = await this.#server.subjects(groupsOf(checkedNamespace(options.namespace), stream));
    const names = subjects.map((subject) => namesIn(subject).group).filter((name) => (wanted ?? name) === name);
    const letters = await Promise.all(
      names.map(async (name) => {
        const { offsets } = await this.#dead(watch, name);
        return watch.dead.all(offsets.map((offset) => ({ group: name, offset })));
      }),
    );
    return letters
      .flat()
      .map(({ letter }) => letter)
      .sort((one, other) => Number(one.event.offset - other.event.offset) || compare(one.group, other.group));
  }

  override async replay(stream: string, options: Parameters<Events['replay']>[1]): Promise<number> {
    const name = checkedGroup(options.group);
    const watch = this.#watch(options, checkedStream(stream));
    const { group, offsets } = await this.#dead(watch, name, options.offsets);
    return group.replay(offsets);
  }

  override async drop(stream: string, options: Parameters<Events['drop']>[1]): Promise<number> {
    const name = checkedGroup(options.group);
    const watch = this.#watch(options, checkedStream(stream));
    const { offsets, isAll } = await this.#dead(watch, name, options.offsets);
    return isAll ? watch.dead.clear(name) : watch.dead.removeAll(offsets.map((offset) => ({ group: name, offset })));
  }

  override close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    for (const follower of this.#followers) follower.end();
    await Promise.all([...this.#streams.values()].map((watch) => watch.end()));
    await this.#nats.close();
  }

  #follow(stream: string, options: FollowOptions): Follower {
    const position = checkedPosition(options.from ?? 'newest');
    const watch = this.#watch(options, checkedStream(stream));
    let renewals = 0;
    const begin = async () => {
      await watch.listen();
      const offset = await watch.stream.offsetOf(position);
      // By one that was there it is told from another.
      const before = Math.min(offset - 1, watch.stream.range.last);
      if (before > 0) await watch.stream.get(before);
      renewals = watch.stream.renewals;
      return BigInt(offset);
    };
    const read = async (from: bigint) => {
      while (this.#followers.has(follower)) {
        try {
          await watch.stream.settle();
          const now = watch.stream.renewals;
          // Of a stream that was made again all is new.
          const events = await watch.stream.after(now === renewals ? Number(from) : 1, pageLength);
          if (events.length > 0) renewals = now;
          return events;
        } catch (error) {
          // What was there once is waited for.
          if (MicroError.from(error).code !== 'unavailable') throw error;
          await sleep(awayWait);
        }
      }
      return [];
    };
    const left = () => {
      queueMicrotask(() => {
        this.#followers.delete(follower);
        watch.delete(follower);
      });
    };
    const follower: Follower = new Follower({ begin, read, signal: options.signal, left });
    this.#followers.add(follower);
    watch.add(follower);
    return follower;
  }

  async #info(watch: JetstreamWatch, names: readonly string[]): Promise<StreamInfo | undefined> {
    const groups = await Promise.all(names.map((name) => watch.look(name)));
    await Promise.all(groups.map(finish));
    const [info, keys] = await Promise.all([watch.stream.info(), names.length === 0 ? [] : watch.dead.keys()]);
    if (!info) return undefined;
    const { range, ...rest } = info;
    const offsets = (name: string) => keys.filter(({ group }) => group === name).map(({ offset }) => offset);
    return { ...rest, groups: groups.map((group) => group.info(range, offsets(group.name))) };
  }

  /** Dead letters of a group that are not given out again, all or some, by offset. */
  async #dead(
    watch: JetstreamWatch,
    name: string,
    some?: readonly bigint[],
  ): Promise<{ readonly group: JetstreamGroup; readonly offsets: readonly number[]; readonly isAll: boolean }> {
    const group = await watch.look(name);
    await finish(group);
    const wanted = some && new Set(some.map(Number));
    const found = (await watch.dead.keys(name)).map(({ offset }) => offset);
    const offsets = group.unraised(found).filter((offset) => wanted?.has(offset) ?? true);
    return { group, offsets, isAll: !some && offsets.length === found.length };
  }

  #check(): void {
    if (this.#closed) throw closed();
  }

  #watch({ namespace }: EventsOptions, name: string): JetstreamWatch {
    this.#check();
    const tenant = checkedNamespace(namespace);
    const key = `${tenant}/${name}`;
    const found = this.#streams.get(key);
    if (found) return found;
    const options = { namespace: tenant, name };
    const stream = new JetstreamStream(this.#server, { ...options, retention: this.#retention });
    const dead = new JetstreamDead(this.#server, { ...options, age: this.#retention.age });
    const watch = new JetstreamWatch(this.#server, { namespace: tenant, stream, dead, clock: this.#clock });
    if (this.#streams.size >= mostKnown)
      for (const [known, { isEmpty }] of this.#streams) if (isEmpty) this.#streams.delete(known);
    this.#streams.set(key, watch);
    return watch;
  }
}

/** Without room it is left for later: what there is can be read all the same, and removed. */
async function finish(group: JetstreamGroup): Promise<void> {
  try {
    await group.finish();
  } catch (error) {
    if (MicroError.from(error).code !== 'resource_exhausted') throw error;
  }
}
