import { join } from 'node:path';
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
import { LocalConsumer } from './local-consumer.js';
import { LogTenant } from './log-tenant.js';
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

/** Events a follower reads at a time. */
const pageLength = 100;

/** Events in SQLite: one file a namespace, which all processes of the machine may use at once. */
export class LogEvents extends Events {
  readonly #folder: string;
  readonly #retention: Retention;
  /** By namespace. */
  readonly #tenants = new Map<string, Promise<LogTenant>>();
  readonly #followers = new Set<Follower>();
  #closed: Promise<void> | undefined;

  constructor(options: { readonly folder: string; readonly retention?: Retention }) {
    super();
    this.#folder = options.folder;
    this.#retention = checkedRetention(options.retention);
  }

  override async publish(stream: string, event: NewEvent, options: EventsOptions = {}): Promise<Published> {
    const name = checkedStream(stream);
    const checked = checkedEvent(event);
    // As it is now: it is written later.
    const own = { ...checked, headers: { ...checked.headers }, body: new Uint8Array(checked.body) };
    return (await this.#tenant(options)).publish(name, own);
  }

  override async read(stream: string, options: ReadOptions = {}): Promise<readonly Event[]> {
    const name = checkedStream(stream);
    const limit = checkedLimit(options.limit);
    const from = checkedPosition(options.from ?? 'oldest');
    return (await this.#tenant(options)).read(name, from, limit);
  }

  override follow(stream: string, options: FollowOptions = {}): AsyncIterable<Event> {
    return { [Symbol.asyncIterator]: () => this.#follow(stream, options) };
  }

  override async consume(stream: string, options: ConsumeOptions): Promise<Consumer> {
    const terms = checkedTerms(options);
    const from = checkedPosition(options.from ?? 'oldest');
    const [name, group] = [checkedStream(stream), checkedGroup(options.group)];
    const tenant = await this.#tenant(options);
    const ledger = await tenant.join(name, group, from);
    if (this.#closed) throw closed();
    const left = () => tenant.leave(name, consumer);
    const consumer: LocalConsumer = new LocalConsumer({ ledger, terms, signal: options.signal, left });
    tenant.enter(name, consumer, group);
    return consumer;
  }

  override async streams(options: StreamsOptions = {}): Promise<readonly StreamInfo[]> {
    const wanted = options.stream === undefined ? undefined : checkedStream(options.stream);
    return (await this.#tenant(options)).infos(wanted);
  }

  override async deadLetters(stream: string, options: DeadLetterOptions = {}): Promise<readonly DeadLetter[]> {
    const name = checkedStream(stream);
    const group = options.group === undefined ? undefined : checkedGroup(options.group);
    return (await this.#tenant(options)).deadLetters(name, group);
  }

  override async replay(stream: string, options: Parameters<Events['replay']>[1]): Promise<number> {
    checkedGroup(options.group);
    return (await this.#tenant(options)).take(checkedStream(stream), options, { replay: true });
  }

  override async drop(stream: string, options: Parameters<Events['drop']>[1]): Promise<number> {
    checkedGroup(options.group);
    return (await this.#tenant(options)).take(checkedStream(stream), options, { replay: false });
  }

  override close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    for (const follower of this.#followers) follower.end();
    const opened = await Promise.allSettled(this.#tenants.values());
    await Promise.all(opened.map((tenant) => (tenant.status === 'fulfilled' ? tenant.value.close() : undefined)));
  }

  #follow(stream: string, options: FollowOptions): Follower {
    if (this.#closed) throw closed();
    const name = checkedStream(stream);
    const position = checkedPosition(options.from ?? 'newest');
    const opening = this.#tenant(options);
    opening.catch(() => undefined);
    const begin = async () => {
      const tenant = await opening;
      const offset = await tenant.offsetOf(name, position);
      if (this.#followers.has(follower)) tenant.enter(name, follower);
      return offset;
    };
    const left = () => {
      queueMicrotask(() => this.#followers.delete(follower));
      void opening.then(
        (tenant) => tenant.leave(name, follower),
        () => undefined,
      );
    };
    const read = async (from: bigint) => (await opening).read(name, { offset: from }, pageLength);
    const follower: Follower = new Follower({ begin, read, signal: options.signal, left });
    this.#followers.add(follower);
    return follower;
  }

  #tenant({ namespace }: EventsOptions): Promise<LogTenant> {
    if (this.#closed) return Promise.reject(closed());
    const name = checkedNamespace(namespace);
    const found = this.#tenants.get(name);
    if (found) return found;
    const opening = LogTenant.open(join(this.#folder, `${fileName(name)}.db`), this.#retention);
    this.#tenants.set(name, opening);
    // What could not be opened is tried again with the next call.
    opening.catch(() => this.#tenants.delete(name));
    return opening;
  }
}

/** Namespaces that differ by case have files of their own also where the file system sees no difference. */
function fileName(namespace: string): string {
  return namespace.replace(/[A-Z]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`);
}
