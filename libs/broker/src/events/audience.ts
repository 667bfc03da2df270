import type { Follower } from './follower.js';
import type { LocalConsumer } from './local-consumer.js';

/** Who waits for events in this process, by stream. */
export class Audience {
  /** Members of a stream; with the group of those who have one. */
  readonly #streams = new Map<string, Map<LocalConsumer | Follower, string | undefined>>();

  get isEmpty(): boolean {
    return this.#streams.size === 0;
  }

  add(stream: string, member: LocalConsumer | Follower, group?: string): void {
    const members = this.#streams.get(stream) ?? new Map<LocalConsumer | Follower, string | undefined>();
    this.#streams.set(stream, members.set(member, group));
  }

  delete(stream: string, member: LocalConsumer | Follower): void {
    const members = this.#streams.get(stream);
    members?.delete(member);
    if (members?.size === 0) this.#streams.delete(stream);
  }

  /** Everybody at the stream, or one group. */
  wake(stream: string, group?: string): void {
    for (const [member, of] of this.#streams.get(stream) ?? []) if (group === undefined || of === group) member.wake();
  }

  wakeAll(): void {
    for (const stream of this.#streams.keys()) this.wake(stream);
  }

  async end(): Promise<void> {
    const members = [...this.#streams.values()].flatMap((found) => [...found.keys()]);
    await Promise.all(members.map((member) => ('end' in member ? member.end() : member.close())));
  }
}
