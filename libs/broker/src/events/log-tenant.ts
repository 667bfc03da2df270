import { setImmediate as turn } from 'node:timers/promises';
import { Audience } from './audience.js';
import type { DeadLetter, Event, Events, Position, Published, Retention, StreamInfo } from './events.js';
import type { Follower } from './follower.js';
import type { Ledger, Lease } from './ledger.js';
import type { LocalConsumer } from './local-consumer.js';
import { LogFile } from './log-file.js';
import { type GroupKey, LogGroups } from './log-groups.js';
import { LogStreams, type StreamRow } from './log-streams.js';
import type { CheckedEvent } from './validation.js';

/** Milliseconds after which what another process has written is seen. */
const pollInterval = 25;
/** Milliseconds between two rounds of tidying, at most and at least. */
const tidyInterval = { most: 15_000, least: 100 } as const;

/** The streams of one namespace: its file, and who waits for events of it in this process. */
export class LogTenant {
  readonly #file: LogFile;
  readonly #streams: LogStreams;
  readonly #groups: LogGroups;
  readonly #audience = new Audience();
  readonly #tidying: NodeJS.Timeout;
  #isTidying: Promise<void> | undefined;
  #tidyAgain = false;
  #polling: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(file: LogFile, retention: Retention) {
    this.#file = file;
    this.#streams = new LogStreams(file, retention);
    this.#groups = new LogGroups(file, { streams: this.#streams, retention });
    const interval = Math.min(Math.max(retention.age / 10, tidyInterval.least), tidyInterval.most);
    this.#tidying = setInterval(() => void this.#tidy(), interval).unref();
  }

  static async open(path: string, retention: Retention): Promise<LogTenant> {
    const file = await LogFile.open(path);
    try {
      const tenant = await file.read(() => new LogTenant(file, retention));
      // What became too old while nobody was here.
      await tenant.#tidy();
      return tenant;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async publish(stream: string, event: CheckedEvent): Promise<Published> {
    const published = await this.#file.write(() => this.#streams.publish(stream, event), { durable: true });
    if (!published.duplicate) {
      this.#audience.wake(stream);
      this.#published(stream);
    }
    return published;
  }

  read(stream: string, from: Position, limit: number): Promise<readonly Event[]> {
    return this.#file.read(() => {
      const found = this.#streams.find(stream);
      return found ? this.#streams.read(found, this.#streams.offsetOf(found, from), limit) : [];
    });
  }

  /** Offset from which a position reads; of a stream that is not there everything is to come. */
  async offsetOf(stream: string, position: Position): Promise<bigint> {
    if (typeof position === 'object' && 'offset' in position) return position.offset;
    return this.#file.read(() => {
      const found = this.#streams.find(stream);
      return BigInt(found ? this.#streams.offsetOf(found, position) : 1);
    });
  }

  /** The progress of a group, which is begun at `from` where there is none. */
  async join(stream: string, group: string, from: Position): Promise<Ledger> {
    const key = await this.#file.write(
      () => {
        const row = this.#streams.findOrAdd(stream);
        return { ...this.#groups.findOrAdd(row, group, () => this.#streams.offsetOf(row, from)), stream: row };
      },
      { durable: true },
    );
    return this.#ledger(key, () => this.#audience.wake(stream, group));
  }

  enter(stream: string, member: LocalConsumer | Follower, group?: string): void {
    this.#audience.add(stream, member, group);
    this.#polling ??= setInterval(() => this.#poll(), pollInterval);
  }

  leave(stream: string, member: LocalConsumer | Follower): void {
    this.#audience.delete(stream, member);
    if (!this.#audience.isEmpty) return;
    clearInterval(this.#polling);
    this.#polling = undefined;
  }

  async infos(wanted: string | undefined): Promise<StreamInfo[]> {
    await this.#bury();
    return this.#file.read(() => {
      const found = wanted === undefined ? this.#streams.all() : [this.#streams.find(wanted)];
      return found.flatMap((stream) => (stream ? [this.#info(stream)] : []));
    });
  }

  async deadLetters(stream: string, group: string | undefined): Promise<DeadLetter[]> {
    await this.#bury();
    return this.#file.read(() => {
      const found = this.#streams.find(stream);
      return found ? this.#groups.deadLetters(found, group) : [];
    });
  }

  async take(
    stream: string,
    options: Parameters<Events['drop']>[1],
    how: { readonly replay: boolean },
  ): Promise<number> {
    await this.#bury();
    const take = () => {
      const found = this.#streams.find(stream);
      const group = found && this.#groups.find(found, options.group);
      return group ? this.#groups.take(group, options.offsets, how) : 0;
    };
    const count = await this.#file.write(take, { durable: true });
    if (how.replay && count > 0) this.#audience.wake(stream, options.group);
    return count;
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#tidying);
    try {
      await this.#audience.end();
    } finally {
      // Also where another process did not let give back what was held.
      clearInterval(this.#polling);
      await this.#isTidying;
      await this.#file.close();
    }
  }

  #ledger(group: GroupKey, wake: () => void): Ledger {
    const nothing = { wait: undefined };
    return {
      claim: (terms) => {
        const claim = () => this.#groups.claim(group, terms);
        try {
          return this.#groups.nothing(group, terms) ?? this.#file.writeNow(claim);
        } catch {
          // In the way of another process, or worse, which writing tells.
          return this.#closed ? nothing : this.#file.write(claim, { durable: false });
        }
      },
      settle: async (lease, settlement) => {
        const durable = settlement.outcome !== 'extend';
        const isDone = await this.#file.write(() => this.#groups.settle(group, lease, settlement), { durable });
        if (durable) wake();
        return isDone;
      },
      release: async (leases: readonly Lease[]) => {
        await this.#file.write(() => this.#groups.release(group, leases), { durable: false });
        wake();
      },
    };
  }

  #info(stream: StreamRow): StreamInfo {
    const events = stream.next - stream.oldest;
    return {
      stream: stream.name,
      events,
      bytes: stream.bytes,
      oldest: events === 0 ? undefined : BigInt(stream.oldest),
      newest: events === 0 ? undefined : BigInt(stream.next - 1),
      groups: this.#groups.infos(stream),
    };
  }

  #poll(): void {
    try {
      if (this.#file.changed()) this.#audience.wakeAll();
    } catch {
      // Whoever reads next is told.
      this.#audience.wakeAll();
    }
  }

  /** What nobody consumes any more dies as well. */
  async #bury(): Promise<void> {
    while (await this.#file.read(() => this.#groups.hasOver()))
      await this.#file.write(() => this.#groups.buryOver(), { durable: false });
  }

  /** Tidies before its time where a stream has become too large. */
  #published(stream: string): void {
    if (this.#isTidying) {
      this.#tidyAgain = true;
      return;
    }
    const found = this.#closed ? undefined : this.#streams.find(stream);
    if (found && this.#streams.isOver(found)) void this.#tidy();
  }

  /** Removes what is to be kept no longer, a little at a time; what it cannot now, it does later. */
  #tidy(): Promise<void> {
    const tidy = async () => {
      try {
        this.#tidyAgain = false;
        for (const stream of await this.#file.read(() => this.#streams.all()))
          if (await this.#file.read(() => this.#streams.isDue(stream)))
            await this.#repeat(() => this.#streams.trim(stream.name));
        if (await this.#file.read(() => this.#streams.hasOldIds())) await this.#repeat(() => this.#streams.forgetIds());
        if (await this.#file.read(() => this.#groups.hasExpired()))
          await this.#repeat(() => this.#groups.forgetExpired());
      } catch {
        // Whoever reads or writes is told.
      }
      this.#isTidying = undefined;
      if (this.#tidyAgain && !this.#closed) void this.#tidy();
    };
    return (this.#isTidying ??= tidy());
  }

  async #repeat(work: () => boolean): Promise<void> {
    while (!this.#closed && (await this.#file.write(work, { durable: false }))) await turn();
  }
}
