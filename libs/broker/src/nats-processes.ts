import { randomBytes } from 'node:crypto';
import type { NatsClient } from '@micro/nats';
import type { Msg, Subscription } from '@nats-io/transport-node';
import { keyOf, Packets, payloadOf, subjects, toMessages } from './nats-packets.js';

/** A subscription as everybody knows it. */
export interface Listed {
  /** Of its process. */
  readonly number: number;
  readonly namespace: string;
  readonly topic: string;
  /** Undefined: everything comes to it. */
  readonly queue?: string;
}

/** Another process, or this one. */
interface Known {
  /** Server that it is connected to. */
  server: string;
  /** One more whenever it connects; 0: it has not said. */
  session: number;
  /** Of its subscriptions: one more with each that comes or goes. */
  version: number;
  readonly subscriptions: Map<number, Listed>;
  /** When it was last heard of, on the monotonic clock. */
  seenAt: number;
  /** This process's own signs of life since then. */
  missed: number;
}

/** What a process says of itself, to everybody or to one. */
type Said =
  | {
      readonly do: 'here';
      readonly id: string;
      readonly server: string;
      readonly session: number;
      readonly version: number;
    }
  | { readonly do: 'join'; readonly id: string; readonly version: number; readonly subscription: Listed }
  | { readonly do: 'leave'; readonly id: string; readonly version: number; readonly number: number }
  | { readonly do: 'gone'; readonly id: string };

/** All that a process knows of itself, and whom it knows. */
interface Table {
  readonly id: string;
  readonly server: string;
  readonly session: number;
  readonly version: number;
  readonly subscriptions: readonly Listed[];
  readonly processes: readonly string[];
}

export interface ProcessesEvents {
  joined(process: string, subscription: Listed): void;
  left(process: string, subscription: Listed): void;
  /** It says that it is there, as it does every two seconds. */
  here(process: string): void;
  /** It has connected again: what it was sent meanwhile, and what it said, may be lost. */
  again(process: string): void;
  gone(process: string): void;
}

/** Milliseconds between two signs of life. */
const beat = 2_000;
/**
 * Signs of life of this process after which another that has given none counts as dead: no time, because what was said while this process stood still
 * it has not read yet.
 */
const deadAfter = 4;
/** Milliseconds in which the members of a cluster tell each other what a process that has just connected to one of them listens to. */
const settling = 250;
/** Milliseconds that a process which has just connected waits for the others, at most; and that a subscription waits for other servers. */
const helloTimeout = 1_000;

/**
 * Who is there, and who is subscribed to what, as every process of the broker tells every other. The table is complete when all who are known
 * have answered a newcomer, and is kept so by what they say from then on, in order; who misses something notices by the versions, and asks.
 */
export class Processes {
  readonly id = randomBytes(8).toString('hex');
  readonly #nats: NatsClient;
  readonly #events: ProcessesEvents;
  readonly #known = new Map<string, Known>();
  readonly #own = new Map<number, Listed>();
  readonly #tables = new Packets();
  /** Who has not answered the newcomer yet. */
  readonly #awaited = new Set<string>();
  readonly #answered = new Set<string>();
  #version = 0;
  #session = 0;
  #hello: Subscription | undefined;
  #complete: Promise<void> = Promise.resolve();
  #isComplete = false;
  /** The greeting was answered: somebody has told whom he knows, or there is nobody. */
  #isGreeted = false;
  /** The members of a cluster know of this process. */
  #isSettled = false;
  #completed: () => void = () => undefined;
  readonly #beat: NodeJS.Timeout;

  constructor(nats: NatsClient, events: ProcessesEvents) {
    this.#nats = nats;
    this.#events = events;
    nats.subscribe(subjects.everybody, (message) => this.#heard(message.json<Said>()));
    nats.subscribe(subjects.process(this.id, 'table'), (message) => this.#table(message));
    nats.subscribe(subjects.process(this.id, 'ask'), (message) => this.#tell(message.string()));
    nats.subscribe(subjects.process(this.id, 'ping'), (message) => void message.respond());
    this.#beat = setInterval(() => this.#keep(), beat).unref();
    this.#begin();
  }

  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Of this process: one more whenever it connects. */
  get session(): number {
    return this.#session;
  }

  /** Resolves when it is known who is subscribed, or the connection is lost. */
  complete(): Promise<void> {
    return this.#complete;
  }

  /** To be called when the connection is lost: no answer is waited for any longer. */
  lost(): void {
    this.#completed();
  }

  /** To be called when the connection is there again. */
  again(): void {
    this.#begin();
  }

  add(subscription: Listed): void {
    this.#own.set(subscription.number, subscription);
    this.#say({ do: 'join', id: this.id, version: ++this.#version, subscription });
  }

  remove(number: number): void {
    if (!this.#own.delete(number)) return;
    this.#say({ do: 'leave', id: this.id, version: ++this.#version, number });
  }

  /** Every subscription of a namespace. */
  *of(namespace: string): Generator<{ readonly process: string; readonly subscription: Listed }> {
    for (const [process, { subscriptions }] of this.#known)
      for (const subscription of subscriptions.values())
        if (subscription.namespace === namespace) yield { process, subscription };
  }

  /**
   * Resolves when the server, and every other of the cluster that a process is connected to, knows of what was subscribed to before: what one of
   * them says comes behind that. MicroError `unavailable` if the server does not answer.
   */
  async reach(): Promise<void> {
    // What they know of a connection that is lost meanwhile they forget.
    for (let session = 0; session !== this.#session;) {
      session = this.#session;
      await this.#nats.flush();
      await this.#reachOthers();
    }
  }

  /** Of a process that is certain to be dead, or not connected. */
  forget(id: string): void {
    this.#awaited.delete(id);
    const known = this.#known.get(id);
    if (known && this.#known.delete(id)) {
      for (const subscription of known.subscriptions.values()) this.#events.left(id, subscription);
      this.#events.gone(id);
    }
    this.#check();
  }

  close(): void {
    clearInterval(this.#beat);
    this.#say({ do: 'gone', id: this.id });
    this.#completed();
  }

  #begin(): void {
    this.#session++;
    this.#isComplete = false;
    this.#complete = new Promise((resolve) => (this.#completed = resolve));
    this.#isSettled = !this.#nats.connection.info?.cluster;
    this.#greet();
    if (this.#isSettled) return;
    this.#after(settling, () => {
      this.#isSettled = true;
      this.#greet();
    });
  }

  /** Unless the connection is lost meanwhile; and not before all is read that had come by then, however long this process stood still. */
  #after(milliseconds: number, then: () => void): void {
    const session = this.#session;
    const goOn = () => {
      if (session === this.#session && this.#nats.isConnected) then();
    };
    setTimeout(() => void this.#nats.flush(helloTimeout).then(goOn, goOn), milliseconds).unref();
  }

  /** Asks who is there. In this order: of two who connect at the same time one hears the other. Where nobody hears it, the server says so. */
  #greet(): void {
    this.#isGreeted = false;
    this.#answered.clear();
    for (const id of this.#known.keys()) if (id !== this.id) this.#awaited.add(id);
    this.#hello?.unsubscribe();
    this.#nats.connection.publish(subjects.hello, this.id, { reply: subjects.process(this.id, 'table') });
    this.#hello = this.#nats.subscribe(subjects.hello, (message) => this.#tell(message.string()));
    this.#here();
    const begun = performance.now();
    if (this.#isSettled) this.#after(helloTimeout, () => this.#late(begun));
  }

  /** Who has not answered, and has said nothing at all, goes for dead until it does. */
  #late(begun: number): void {
    if (this.#isComplete) return;
    for (const id of [...this.#awaited]) if ((this.#known.get(id)?.seenAt ?? 0) < begun) this.forget(id);
    this.#awaited.clear();
    this.#finish();
  }

  #answer(id: string): void {
    if (this.#isComplete) return;
    this.#answered.add(id);
    this.#awaited.delete(id);
    this.#check();
  }

  #check(): void {
    if (this.#isSettled && this.#isGreeted && !this.#isComplete && this.#awaited.size === 0) this.#finish();
  }

  #finish(): void {
    this.#isComplete = true;
    this.#completed();
  }

  #here(): void {
    const server = this.#nats.connection.info?.server_id ?? '';
    this.#say({ do: 'here', id: this.id, server, session: this.#session, version: this.#version });
  }

  #keep(): void {
    if (!this.#nats.isConnected) return;
    this.#here();
    for (const [id, known] of this.#known) if (id !== this.id && ++known.missed > deadAfter) this.forget(id);
  }

  #say(said: Said): void {
    this.#nats.connection.publish(subjects.everybody, JSON.stringify(said));
  }

  #ask(id: string): void {
    this.#nats.connection.publish(subjects.process(id, 'ask'), this.id);
  }

  async #reachOthers(): Promise<void> {
    const { info } = this.#nats.connection;
    if (!info?.cluster) return;
    await this.#complete;
    const servers = new Map<string, string[]>();
    for (const [id, { server }] of this.#known)
      if (server !== info.server_id) servers.set(server, [...(servers.get(server) ?? []), id]);
    await Promise.all(
      [...servers.values()].map((ids) => Promise.any(ids.map((id) => this.#ping(id))).catch(() => undefined)),
    );
  }

  async #ping(id: string): Promise<void> {
    await this.#nats.connection.request(subjects.process(id, 'ping'), '', { timeout: helloTimeout });
  }

  /** Everything, to one. */
  #tell(id: string): void {
    const { connection } = this.#nats;
    const table: Table = {
      id: this.id,
      server: connection.info?.server_id ?? '',
      session: this.#session,
      version: this.#version,
      subscriptions: [...this.#own.values()],
      processes: [...this.#known.keys()],
    };
    const owner = keyOf({ process: this.id, number: 0 });
    for (const part of toMessages(owner, [Buffer.from(JSON.stringify(table))], payloadOf(connection.info)))
      connection.publish(subjects.process(id, 'table'), part);
  }

  #table(message: Msg): void {
    // Nobody has heard the newcomer.
    if (message.headers?.code === 503) {
      this.#isGreeted = true;
      return this.#check();
    }
    const taken = this.#tables.take(message.data);
    if (!taken) return;
    const table = JSON.parse(taken.packet.toString()) as Table;
    const known = this.#seen(table.id, table);
    if (!known) return;
    const subscriptions = new Map(table.subscriptions.map((one) => [one.number, one]));
    for (const number of [...known.subscriptions.keys()]) if (!subscriptions.has(number)) this.#drop(table.id, number);
    for (const one of subscriptions.values()) this.#put(table.id, one);
    known.version = table.version;
    if (this.#isComplete) return;
    for (const id of table.processes) if (id !== this.id && !this.#answered.has(id)) this.#awaited.add(id);
    this.#isGreeted = true;
    this.#answer(table.id);
  }

  #heard(said: Said): void {
    if (said.do === 'gone') return this.forget(said.id);
    if (said.do === 'here') {
      const known = this.#seen(said.id, said);
      if (!known) return;
      if (known.version === said.version) this.#answer(said.id);
      else this.#ask(said.id);
      return this.#events.here(said.id);
    }
    const known = this.#seen(said.id) as Known;
    const isNext = known.version + 1 === said.version;
    if (isNext) known.version = said.version;
    // Its table will have that, too; but who joins may be in force before that has come.
    else this.#ask(said.id);
    if (said.do === 'join') this.#put(said.id, said.subscription);
    else if (isNext) this.#drop(said.id, said.number);
  }

  /** Undefined for what was said over a connection that it has given up since: a server may have kept that for any time. */
  #seen(id: string, said?: { readonly server: string; readonly session: number }): Known | undefined {
    const first = { server: '', session: 0, version: said ? 0 : -1, subscriptions: new Map(), seenAt: 0, missed: 0 };
    const known: Known = this.#known.get(id) ?? first;
    const { server, session } = said ?? known;
    if (session < known.session) return undefined;
    const isAgain = known.session > 0 && known.session !== session;
    Object.assign(known, { server, session, seenAt: performance.now(), missed: 0 });
    this.#known.set(id, known);
    if (isAgain) this.#events.again(id);
    return known;
  }

  #put(id: string, subscription: Listed): void {
    const subscriptions = this.#known.get(id)?.subscriptions;
    if (!subscriptions || subscriptions.has(subscription.number)) return;
    subscriptions.set(subscription.number, subscription);
    this.#events.joined(id, subscription);
  }

  #drop(id: string, number: number): void {
    const subscriptions = this.#known.get(id)?.subscriptions;
    const subscription = subscriptions?.get(number);
    if (!subscriptions?.delete(number) || !subscription) return;
    this.#events.left(id, subscription);
  }
}
