import { setTimeout as sleep } from 'node:timers/promises';
import { MicroError } from '@micro/errors';
import { brokerProto } from '@micro/proto';
import { type Client, type ClientOf, type Metadata, outsideCalls } from '@micro/rpc';
import {
  Broker,
  type BrokerOptions,
  type Message,
  type NewMessage,
  type PublishOptions,
  type SubscribeOptions,
  type Subscription,
} from './broker.js';
import { Inbox } from './inbox.js';
import { fromMessage, subscriptionHeader, toMessage } from './messages.js';
import { unlessAborted } from './publishing.js';
import { RemoteLine } from './remote-line.js';
import {
  canceled,
  checkedBuffer,
  checkedMessage,
  checkedNamespace,
  checkedQueue,
  checkedTopic,
  closed,
} from './validation.js';

/** What is subscribed to, and where it goes. */
interface Following {
  readonly request: { readonly topic: string; readonly queue: string };
  readonly namespace: string;
  readonly inbox: Inbox;
  readonly stop: AbortSignal;
  /** Called whenever it is in force, with the name that it has there. */
  readonly inForce: (name: string) => void;
  /** Resolves when the inbox has room, or has closed. */
  readonly room: () => Promise<void>;
}

/** Waits between two attempts to subscribe, in milliseconds. */
const retry = { first: 100, most: 2_000 } as const;
/** Milliseconds in which a broker that can be reached puts a subscription into force. */
const answerTimeout = 5_000;
/** Milliseconds that the end of a subscription waits for a broker that does not answer. */
const closeTimeout = 1_000;
/** Codes that asking again does not change. */
const final: ReadonlySet<string> = new Set([
  'invalid_argument',
  'permission_denied',
  'unauthenticated',
  'unimplemented',
]);

/**
 * The broker of apps/broker, over RPC: what user services get. A subscription goes on when its broker was away; what was published meanwhile
 * does not come. The client belongs to whoever gives it, and stays open.
 */
export class RemoteBroker extends Broker {
  readonly #calls: ClientOf<typeof brokerProto.Broker>;
  /** By namespace and topic. */
  readonly #lines = new Map<string, RemoteLine>();
  readonly #inboxes = new Set<Inbox>();
  #closed: Promise<void> | undefined;

  constructor(client: Client) {
    super();
    this.#calls = client.of(brokerProto.Broker);
  }

  override async publish(topic: string, message: NewMessage, options: PublishOptions = {}): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const checked = checkedMessage(topic, message);
    if (options.signal?.aborted) throw canceled();
    const key = `${namespace}/${topic}`;
    const line = this.#lines.get(key) ?? new RemoteLine((messages) => this.#send(messages, namespace));
    this.#lines.set(key, line);
    const sent = line.push({ ...checked, body: new Uint8Array(checked.body) });
    void line.idle?.then(() => line.idle === undefined && this.#lines.get(key) === line && this.#lines.delete(key));
    await unlessAborted(sent, options.signal);
  }

  override async subscribe(topic: string, options: SubscribeOptions = {}): Promise<Subscription> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const request = { topic: checkedTopic(topic), queue: checkedQueue(options.queue) ?? '' };
    const buffer = checkedBuffer(options.buffer);
    const stop = new AbortController();
    let name: string | undefined;
    let roomy: () => void = () => undefined;
    let following: Promise<void> | undefined;
    const inbox: Inbox = new Inbox({
      buffer,
      signal: options.signal,
      room: () => roomy(),
      leave: async () => {
        this.#inboxes.delete(inbox);
        await this.#unsubscribe(name, namespace);
        stop.abort();
        await following;
      },
    });
    if (inbox.isClosed) return inbox;
    this.#inboxes.add(inbox);
    let timer: NodeJS.Timeout | undefined;
    const begun = new Promise<void>((resolve, reject) => {
      const inForce = (named: string) => {
        name = named;
        resolve();
      };
      const room = () => new Promise<void>((go) => (roomy = go));
      const wanted = { request, namespace, inbox, stop: stop.signal, inForce, room };
      following = outsideCalls(() => this.#follow(wanted, reject));
      void following.then(resolve);
      timer = setTimeout(() => reject(silent()), answerTimeout);
    });
    try {
      await begun;
    } catch (error) {
      void inbox.close();
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return inbox;
  }

  override async topics(options: BrokerOptions = {}): Promise<readonly string[]> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    try {
      return (await this.#calls.topics({}, { namespace })).topics;
    } catch (error) {
      throw explained(error);
    }
  }

  override close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#lines.values()].map(({ idle }) => idle));
    await Promise.all([...this.#inboxes].map((inbox) => inbox.close()));
  }

  async #send(messages: readonly Message[], namespace: string): Promise<void> {
    const [first, ...others] = messages.map(toMessage);
    try {
      await outsideCalls(() =>
        others.length === 0
          ? this.#calls.publish(first as brokerProto.Message_, { namespace })
          : this.#calls.publishAll({ messages: [first as brokerProto.Message_, ...others] }, { namespace }),
      );
    } catch (error) {
      throw explained(error);
    }
  }

  /** When it returns, the broker sends nothing more: what another of the queue is to get does not come here. */
  async #unsubscribe(name: string | undefined, namespace: string): Promise<void> {
    if (name === undefined) return;
    const options = { namespace, timeout: closeTimeout };
    await outsideCalls(() => this.#calls.unsubscribe({ subscription: name }, options)).catch(() => undefined);
  }

  /** Keeps a subscription in force until it is closed, over as many connections as that takes. The first that fails is the caller's. */
  async #follow(following: Following, failed: (error: unknown) => void): Promise<void> {
    const { inbox, stop } = following;
    let isFirst = true;
    const inForce = (name: string) => {
      isFirst = false;
      failures = 0;
      following.inForce(name);
    };
    let failures = 0;
    for (; !inbox.isClosed; failures++) {
      try {
        await this.#receive({ ...following, inForce });
      } catch (error) {
        if (inbox.isClosed) return;
        const code = MicroError.from(error).code;
        if (isFirst) return failed(explained(error));
        if (final.has(code)) return inbox.fail(explained(error));
      }
      const wait = Math.min(retry.first * 2 ** failures, retry.most) * (0.75 + Math.random() / 2);
      await sleep(wait, undefined, { signal: stop }).catch(() => undefined);
    }
  }

  async #receive({ request, namespace, inbox, stop, inForce, room }: Following): Promise<void> {
    const onHeaders = (headers: Metadata) => {
      const name = headers.get(subscriptionHeader);
      if (name !== undefined) inForce(name);
    };
    const messages = this.#calls.subscribe(request, { namespace, signal: stop, timeout: Infinity, onHeaders });
    for await (const message of messages) {
      const taken = fromMessage(message);
      while (!inbox.take(taken)) {
        if (inbox.isClosed) return;
        await room();
      }
    }
  }
}

function silent(): MicroError {
  return new MicroError('unavailable', `the broker did not answer within ${answerTimeout} ms`, { id: 'broker' });
}

/** What the client throws, in the words of the contract. */
function explained(error: unknown): MicroError {
  const known = MicroError.from(error, 'broker');
  if (known.code !== 'not_found' && known.code !== 'deadline_exceeded') return known;
  return new MicroError('unavailable', `the broker cannot be reached: ${known.detail}`, { id: 'broker', cause: error });
}
