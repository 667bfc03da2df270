import { connect, type Msg, type NatsConnection, type Status, type Subscription } from '@nats-io/transport-node';
import { MicroError } from '@micro/errors';
import { natsError } from './errors.js';
import { clientOptions, type NatsOptions } from './options.js';

/** Milliseconds that a server which is connected has to answer, unless said otherwise. */
const answerTimeout = 5_000;
/** Milliseconds that closing waits for what has been sent. */
const closeTimeout = 2_000;
/** Milliseconds between two looks for answers that do not come: a timer for each would cost more than its question. */
const tick = 250;

/**
 * Connects. A server that cannot be reached, or refuses, is an error at once, saying which setting to look at; from then on a connection that is
 * lost is made again for as long as it takes.
 */
export async function openNats(options: NatsOptions): Promise<NatsClient> {
  const known = { servers: options.servers.join(', '), id: options.id };
  const settings = clientOptions(options);
  let connection: NatsConnection;
  try {
    connection = await connect(settings);
  } catch (error) {
    throw natsError(error, known);
  }
  keepAll(connection, options.servers);
  return new NatsClient(connection, { ...known, warn: options.warn ?? warnProcess });
}

/** The client forgets those that did not answer its first attempt, and has heard of others since. */
function keepAll(connection: NatsConnection, servers: readonly string[]): void {
  const known = connection.getServers().map(({ listen }) => listen);
  if (servers.some((server) => !known.includes(server))) connection.setServers([...new Set([...servers, ...known])]);
}

/** A connection to NATS that outlives its server's absence. Subscriptions are made again with it; what was under way fails. */
export class NatsClient {
  /** While there is no server, what is given to it is lost: `check()` first. */
  readonly connection: NatsConnection;
  readonly #known: { readonly servers: string; readonly id: string };
  readonly #warn: (message: string) => void;
  readonly #listeners = new Set<(connected: boolean) => void>();
  #connected = true;
  #lostAt = 0;
  #warned = '';
  #denied: MicroError | undefined;
  /** What the server, or the way to it, said when it was tried last to connect again. */
  #refused: MicroError | undefined;
  /** Flushes that are not answered. */
  readonly #waiting = new Set<{ readonly until: number; readonly reject: (error: unknown) => void }>();
  #ticking: NodeJS.Timeout | undefined;
  #closed: Promise<void> | undefined;

  constructor(
    connection: NatsConnection,
    { warn, ...known }: { readonly servers: string; readonly id: string; readonly warn: (message: string) => void },
  ) {
    this.connection = connection;
    this.#known = known;
    this.#warn = warn;
    void this.#follow(connection.status());
  }

  get isConnected(): boolean {
    return this.#connected && !this.#closed;
  }

  /** Milliseconds since the connection was lost; 0 while there is one. */
  get awayFor(): number {
    return this.#connected ? 0 : Date.now() - this.#lostAt;
  }

  /** MicroError `unavailable` while there is no server, or one that refuses. */
  check(): void {
    if (this.isConnected) return;
    const { id } = this.#known;
    if (this.#refused && !this.#closed)
      throw new MicroError('unavailable', this.#refused.detail, { id, cause: this.#refused });
    throw this.explain(new Error(this.#closed ? 'closed' : 'the connection is lost'));
  }

  /** Whether this user may not subscribe to what it has been told to: MicroError `permission_denied`, known after a flush. */
  get denied(): MicroError | undefined {
    return this.#denied;
  }

  /** Calls `heard` with each message; an error of its own is a warning, where the client would stop reading. */
  subscribe(subject: string, heard: (message: Msg) => void, options: { readonly queue?: string } = {}): Subscription {
    const callback = (error: Error | null, message: Msg) => {
      try {
        if (error) this.#denied = this.explain(error);
        else heard(message);
      } catch (failure) {
        this.#tell(`a message from NATS on ${message.subject} is not what it should be: ${String(failure)}`);
      }
    };
    return this.connection.subscribe(subject, { ...options, callback });
  }

  /** Resolves when the server has all that was sent before. MicroError `unavailable` if it does not, or the connection is lost meanwhile. */
  flush(milliseconds = answerTimeout): Promise<void> {
    return new Promise((resolve, reject) => {
      this.check();
      const waiting = { until: performance.now() + milliseconds, reject };
      this.#waiting.add(waiting);
      this.#ticking ??= setInterval(() => this.#tick(), tick).unref();
      const settled = (error?: unknown) => {
        this.#waiting.delete(waiting);
        if (error === undefined) resolve();
        else reject(this.explain(error));
      };
      this.connection.flush().then(() => settled(), settled);
    });
  }

  /** The result of a request, or MicroError `unavailable` as soon as the connection is lost: the client would wait for an answer that never comes. */
  async whileConnected<T>(request: Promise<T>): Promise<T> {
    let stop: () => void = () => undefined;
    const lost = new Promise<never>((_, reject) => {
      stop = this.listen((connected) => connected || reject(this.explain(new Error('the connection is lost'))));
    });
    try {
      return await Promise.race([request, lost]);
    } finally {
      stop();
    }
  }

  /** Calls `listener` whenever the connection is lost (false) and whenever it is there again (true), until the returned function is called. */
  listen(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** What the client has thrown as a MicroError, which names the servers and the setting to look at. */
  explain(error: unknown): MicroError {
    return natsError(error, this.#known);
  }

  /** Sends what is on its way, then ends. A second call does nothing. */
  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, closeTimeout)));
    if (this.#connected) await Promise.race([this.connection.drain().catch(() => undefined), late]);
    clearTimeout(timer);
    await this.connection.close();
  }

  #tick(): void {
    const now = performance.now();
    for (const waiting of this.#waiting) {
      if (waiting.until > now) continue;
      // The client may never say what became of it: one that is closed does not.
      this.#waiting.delete(waiting);
      waiting.reject(this.explain(new Error('it does not answer in time')));
    }
    if (this.#waiting.size > 0) return;
    clearInterval(this.#ticking);
    this.#ticking = undefined;
  }

  async #follow(statuses: AsyncIterable<Status>): Promise<void> {
    for await (const status of statuses) {
      if (status.type === 'disconnect') this.#lost();
      else if (status.type === 'reconnect') this.#found();
      else if (status.type === 'error') this.#failed(status.error);
    }
  }

  #lost(): void {
    if (!this.#connected || this.#closed) return;
    this.#connected = false;
    this.#lostAt = Date.now();
    this.#tell(`the connection to NATS at ${this.#known.servers} is lost: trying again until it is back`);
    for (const listener of [...this.#listeners]) listener(false);
  }

  #failed(error: unknown): void {
    const explained = this.explain(error);
    if (!this.#connected) this.#refused = explained;
    this.#tell(explained.detail);
  }

  #found(): void {
    if (this.#connected || this.#closed) return;
    this.#connected = true;
    this.#refused = undefined;
    this.#warned = '';
    this.#warn(`NATS is there again, after ${Math.ceil((Date.now() - this.#lostAt) / 1_000)} s`);
    for (const listener of [...this.#listeners]) listener(true);
  }

  /** The same once, and not for every attempt. */
  #tell(message: string): void {
    if (message === this.#warned || this.#closed) return;
    this.#warned = message;
    this.#warn(message);
  }
}

function warnProcess(message: string): void {
  process.emitWarning(message, 'MicroNats');
}
