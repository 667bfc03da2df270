import type { Message, PublishOptions, SubscribeOptions } from '@micro/broker';
import { MicroError } from '@micro/errors';
import { type Codec, codecOf, type ValueSchema } from './codec.js';
import { Flow, made } from './flow.js';
import type { Headers } from './headers.js';
import { broker, openSubscription } from './own-broker.js';
import { logger } from './process-platform.js';

/** A message whose body has a type. */
export interface TypedMessage<T> {
  readonly topic: string;
  readonly value: T;
  readonly headers: Headers;
}

/** Messages as they come. Ends when the loop is left, it is closed, its signal aborts or the service stops. */
export interface TypedSubscription<T> extends AsyncIterable<T>, AsyncDisposable {
  /** Resolves when it is in force: what is published after that comes. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/** A topic of the service's namespace, for messages of one type: fire and forget, as Broker says. */
export class Topic<T> {
  readonly name: string;
  readonly #codec: Codec<T>;

  constructor(name: string, schema?: ValueSchema<T>) {
    this.name = name;
    this.#codec = codecOf(`topic ${name}`, schema);
  }

  /** Resolves when each subscriber's side has it, or has been given up on. Trace and namespace go with it. */
  async publish(
    value: T,
    { headers, ...options }: Pick<PublishOptions, 'signal'> & { readonly headers?: Headers } = {},
  ): Promise<void> {
    await broker.publish(this.name, { body: await this.#codec.encode(value), headers }, options);
  }

  /**
   * Subscribes at once. What the body of the loop does belongs to the trace of the message that it was given. What is no value of this type is
   * logged and left out.
   */
  subscribe(options: Omit<SubscribeOptions, 'namespace'> = {}): TypedSubscription<TypedMessage<T>> {
    const { signal, ...rest } = options;
    const source = openSubscription(this.name, rest);
    return new Flow({
      what: `topic ${this.name}`,
      signal,
      scope: ({ headers }) => source.scope(headers),
      open: async (platform) => made(await source.open(platform), (message) => this.#typed(message)),
    });
  }

  async #typed({ topic, body, headers }: Message): Promise<TypedMessage<T> | undefined> {
    try {
      return { topic, headers, value: await this.#codec.decode(body) };
    } catch (error) {
      logger.warn(`a message is left out: ${MicroError.from(error).detail}`, {
        topic,
        from: headers['micro-from-service'],
      });
      return undefined;
    }
  }
}

/**
 * A topic of the service's namespace. May stand at the top of a file; opened when it is first used.
 *
 * ```ts
 * const placed = topic<OrderPlaced>('orders.placed');
 * await placed.publish({ id: '42' });
 * for await (const { value, headers } of placed.subscribe({ queue: 'mail' })) await send(value);
 * ```
 */
export function topic<T>(name: string, schema?: ValueSchema<T>): Topic<T> {
  return new Topic(name, schema);
}
