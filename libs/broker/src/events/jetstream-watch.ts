import { Audience } from './audience.js';
import type { Position } from './events.js';
import type { Follower } from './follower.js';
import type { JetstreamDead } from './jetstream-dead.js';
import { JetstreamGroup } from './jetstream-group.js';
import type { ServerClock } from './jetstream-entries.js';
import type { JetstreamServer } from './jetstream-server.js';
import type { JetstreamStream } from './jetstream-stream.js';
import type { LocalConsumer } from './local-consumer.js';

/** Milliseconds after which a stream is asked for what it may have told nobody. */
const pollInterval = 2_000;

/** A group that is taken part in here, and by how many consumers. */
interface Joined {
  readonly group: Promise<JetstreamGroup>;
  /** Once that is resolved. */
  joined?: JetstreamGroup;
  consumers: number;
}

/** Who waits in this process for events of one stream: they are woken by what JetStream tells of what it has stored. */
export class JetstreamWatch {
  readonly stream: JetstreamStream;
  readonly dead: JetstreamDead;
  readonly #server: JetstreamServer;
  readonly #clock: ServerClock;
  readonly #namespace: string;
  readonly #audience = new Audience();
  readonly #joined = new Map<string, Joined>();
  #listening: Promise<() => void> | undefined;
  #polling: NodeJS.Timeout | undefined;

  constructor(
    server: JetstreamServer,
    options: {
      readonly namespace: string;
      readonly stream: JetstreamStream;
      readonly dead: JetstreamDead;
      readonly clock: ServerClock;
    },
  ) {
    this.#server = server;
    this.#namespace = options.namespace;
    this.stream = options.stream;
    const more = () => this.#audience.wake(this.stream.name);
    this.stream.listen({ more, renewed: () => this.interrupt() });
    this.dead = options.dead;
    this.#clock = options.clock;
  }

  get isEmpty(): boolean {
    return this.#audience.isEmpty && this.#joined.size === 0;
  }

  /** Hears from now on what is stored. */
  async listen(): Promise<void> {
    if (!this.#listening) {
      const listening = this.#server.listen(this.stream.place.live, ({ headers }) => {
        this.stream.told(Number(headers?.get('Nats-Sequence')));
      });
      this.#listening = listening;
      this.#polling = setInterval(() => void this.poll(), pollInterval);
      listening.catch(() => {
        // Who came later may listen by now.
        if (this.#listening === listening) this.#silence();
      });
    }
    await this.#listening;
  }

  add(member: LocalConsumer | Follower, group?: string): void {
    this.#audience.add(this.stream.name, member, group);
  }

  delete(member: LocalConsumer | Follower): void {
    this.#audience.delete(this.stream.name, member);
    if (this.isEmpty) this.#silence();
  }

  /** The group, as one more consumer of it sees it, until he leaves. */
  async join(name: string, from: Position): Promise<JetstreamGroup> {
    const joined = this.#joined.get(name) ?? { group: this.#join(name, from), consumers: 0 };
    this.#joined.set(name, joined);
    joined.consumers++;
    try {
      return (joined.joined = await joined.group);
    } catch (error) {
      await this.leave(name);
      throw error;
    }
  }

  async leave(name: string): Promise<void> {
    const joined = this.#joined.get(name);
    if (!joined || --joined.consumers > 0) return;
    this.#joined.delete(name);
    if (this.isEmpty) this.#silence();
    await joined.group.then(
      (group) => group.leave(),
      () => undefined,
    );
  }

  /** The group, as who takes no part sees it. */
  async look(name: string): Promise<JetstreamGroup> {
    const joined = await this.#joined.get(name)?.group.catch(() => undefined);
    return joined ?? this.#group(name);
  }

  /** The connection is lost. */
  lose(): void {
    this.stream.doubt();
    this.interrupt();
  }

  /** What the stream held may be lost. At once: nothing more is given out before that is looked into. */
  interrupt(): void {
    for (const { group, joined } of this.#joined.values())
      if (joined) joined.interrupt();
      else
        void group.then(
          (later) => later.interrupt(),
          () => undefined,
        );
  }

  /** Learns what nobody has told: what is told is lost with a connection, or a server. */
  async poll(): Promise<void> {
    if (!this.#listening) return;
    try {
      await this.stream.refresh();
    } catch {
      // Later.
      return;
    }
    // One that cannot holds up no other.
    await Promise.allSettled([...this.#joined.values()].map(async ({ group }) => (await group).refresh()));
  }

  async end(): Promise<void> {
    await this.#audience.end();
    this.#silence();
  }

  async #join(name: string, from: Position): Promise<JetstreamGroup> {
    await this.stream.ensure();
    await this.listen();
    const group = this.#group(name);
    try {
      await group.join(from);
    } catch (error) {
      group.leave();
      throw error;
    }
    return group;
  }

  #group(name: string): JetstreamGroup {
    const { stream, dead } = this;
    const wake = () => this.#audience.wake(stream.name, name);
    return new JetstreamGroup(this.#server, {
      namespace: this.#namespace,
      name,
      stream,
      dead,
      clock: this.#clock,
      wake,
    });
  }

  #silence(): void {
    clearInterval(this.#polling);
    void this.#listening?.then(
      (silence) => silence(),
      () => undefined,
    );
    this.#listening = undefined;
  }
}
