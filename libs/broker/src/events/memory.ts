import { Audience } from './audience.js';
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
  type Position,
  type Published,
  type ReadOptions,
  type Retention,
  type StreamInfo,
  type StreamsOptions,
} from './events.js';
import { Follower } from './follower.js';
import { LocalConsumer, ownCopy } from './local-consumer.js';
import { MemoryGroup } from './memory-group.js';
import { compare, MemoryStream } from './memory-stream.js';
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

/** Streams of one namespace. */
interface Tenant {
  readonly streams: Map<string, MemoryStream>;
  readonly audience: Audience;
}

/** Events a follower reads at a time. */
const pageLength = 100;
/** Milliseconds between two rounds of removing what is too old. */
const tidyInterval = 10_000;

/** Events in the memory of one process, gone with it. */
export class MemoryEvents extends Events {
  readonly #retention: Retention;
  readonly #tenants = new Map<string, Tenant>();
  readonly #tidying: NodeJS.Timeout;
  #closed: Promise<void> | undefined;

  constructor(options: { readonly retention?: Retention } = {}) {
    super();
    this.#retention = checkedRetention(options.retention);
    this.#tidying = setInterval(() => this.#tidy(), tidyInterval).unref();
  }

  override async publish(stream: string, event: NewEvent, options: EventsOptions = {}): Promise<Published> {
    const tenant = this.#tenant(options);
    const published = this.#stream(tenant, checkedStream(stream)).publish(checkedEvent(event));
    if (!published.duplicate) tenant.audience.wake(stream);
    return published;
  }

  override async read(stream: string, options: ReadOptions = {}): Promise<readonly Event[]> {
    const tenant = this.#tenant(options);
    const limit = checkedLimit(options.limit);
    const from = checkedPosition(options.from ?? 'oldest');
    const found = tenant.streams.get(checkedStream(stream));
    found?.trim();
    return found?.read(found.offsetOf(from), limit).map(ownCopy) ?? [];
  }

  override follow(stream: string, options: FollowOptions = {}): AsyncIterable<Event> {
    return { [Symbol.asyncIterator]: () => this.#follow(stream, options) };
  }

  override async consume(stream: string, options: ConsumeOptions): Promise<Consumer> {
    const tenant = this.#tenant(options);
    const terms = checkedTerms(options);
    const from = checkedPosition(options.from ?? 'oldest');
    const [name, groupName] = [checkedStream(stream), checkedGroup(options.group)];
    const kept = this.#stream(tenant, name);
    const wake = () => tenant.audience.wake(name, groupName);
    const group =
      kept.groups.get(groupName) ?? new MemoryGroup(kept, { name: groupName, cursor: kept.offsetOf(from), wake });
    kept.groups.set(groupName, group);
    const consumer: LocalConsumer = new LocalConsumer({
      ledger: group,
      terms,
      signal: options.signal,
      left: () => tenant.audience.delete(name, consumer),
    });
    tenant.audience.add(name, consumer, groupName);
    return consumer;
  }

  override async streams(options: StreamsOptions = {}): Promise<readonly StreamInfo[]> {
    const wanted = options.stream === undefined ? undefined : checkedStream(options.stream);
    const streams = [...this.#tenant(options).streams.values()].filter(({ name }) => (wanted ?? name) === name);
    return streams.map((stream) => stream.info()).sort((one, other) => compare(one.stream, other.stream));
  }

  override async deadLetters(stream: string, options: DeadLetterOptions = {}): Promise<readonly DeadLetter[]> {
    const { streams } = this.#tenant(options);
    const wanted = options.group === undefined ? undefined : checkedGroup(options.group);
    const found = streams.get(checkedStream(stream));
    found?.trim();
    return [...(found?.groups.values() ?? [])]
      .filter(({ name }) => wanted === undefined || name === wanted)
      .sort((one, other) => compare(one.name, other.name))
      .flatMap((group) => group.deadLetters())
      .sort((one, other) => Number(one.event.offset - other.event.offset))
      .map(({ event, ...letter }) => ({ ...letter, event: ownCopy(event) }));
  }

  override async replay(stream: string, options: Parameters<Events['replay']>[1]): Promise<number> {
    return this.#take(stream, options, { replay: true });
  }

  override async drop(stream: string, options: Parameters<Events['drop']>[1]): Promise<number> {
    return this.#take(stream, options, { replay: false });
  }

  override close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    clearInterval(this.#tidying);
    await Promise.all([...this.#tenants.values()].map(({ audience }) => audience.end()));
    this.#tenants.clear();
  }

  #follow(stream: string, options: FollowOptions): Follower {
    const tenant = this.#tenant(options);
    const name = checkedStream(stream);
    const position = checkedPosition(options.from ?? 'newest');
    const begin = offsetIn(tenant.streams.get(name), position);
    const follower: Follower = new Follower({
      begin: () => begin,
      read: (from) => tenant.streams.get(name)?.read(Number(from), pageLength).map(ownCopy) ?? [],
      signal: options.signal,
      // Later than it is added, also where the signal has aborted already.
      left: () => queueMicrotask(() => tenant.audience.delete(name, follower)),
    });
    tenant.audience.add(name, follower);
    return follower;
  }

  #take(stream: string, options: Parameters<Events['drop']>[1], how: { readonly replay: boolean }): number {
    const { streams } = this.#tenant(options);
    const name = checkedGroup(options.group);
    const found = streams.get(checkedStream(stream));
    found?.trim();
    return found?.groups.get(name)?.take(options.offsets, how) ?? 0;
  }

  #tenant({ namespace }: EventsOptions): Tenant {
    if (this.#closed) throw closed();
    const name = checkedNamespace(namespace);
    const tenant = this.#tenants.get(name) ?? { streams: new Map<string, MemoryStream>(), audience: new Audience() };
    this.#tenants.set(name, tenant);
    return tenant;
  }

  #stream({ streams }: Tenant, name: string): MemoryStream {
    const stream = streams.get(name) ?? new MemoryStream(name, this.#retention);
    streams.set(name, stream);
    return stream;
  }

  #tidy(): void {
    for (const { streams } of this.#tenants.values()) for (const stream of streams.values()) stream.trim();
  }
}

/** Of a stream that is not there everything is to come. */
function offsetIn(stream: MemoryStream | undefined, position: Position): bigint {
  if (typeof position === 'object' && 'offset' in position) return position.offset;
  return BigInt(stream?.offsetOf(position) ?? 1);
}
