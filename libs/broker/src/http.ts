import { AsyncResource } from 'node:async_hooks';
import { MicroError } from '@micro/errors';
import type { Registry } from '@micro/registry';
import {
  Broker,
  type BrokerOptions,
  type NewMessage,
  patience,
  type PublishOptions,
  type SubscribeOptions,
  type Subscription,
} from './broker.js';
import { decodeFrames } from './frames.js';
import { Audience } from './http-audience.js';
import { Door } from './http-door.js';
import { Poster } from './http-post.js';
import { Registration } from './http-registration.js';
import { newSubscription, type SubscriptionPlace, topicOf, toService } from './http-topic.js';
import { Inbox } from './inbox.js';
import { Lane, take } from './lane.js';
import type { Member } from './outlet.js';
import { unlessAborted } from './publishing.js';
import {
  canceled,
  checkedBuffer,
  checkedMessage,
  checkedNamespace,
  checkedQueue,
  checkedTopic,
  closed,
} from './validation.js';

export interface HttpBrokerOptions {
  /** Where subscribers are found; it stays open. */
  readonly registry: Registry;
  /** Address that subscriptions are posted to; default 127.0.0.1. */
  readonly host?: string;
  /** Told, in plain words, what does not work. Default: a process warning. */
  readonly warn?: (message: string) => void;
}

/** Topics whose subscribers are kept in mind. */
const mostAudiences = 256;

/**
 * Publish and subscribe without a server: a subscriber is a node of the topic in the registry, and publishers post to it over HTTP. A
 * message is a request's from the publisher straight to each subscriber, answered when there was room for it.
 */
export class HttpBroker extends Broker {
  readonly #registry: Registry;
  readonly #warn: (message: string) => void;
  readonly #door: Door;
  readonly #posters = new Set<Poster>();
  /** What outlives the call that somebody publishes or subscribes in is done outside of it: watches and renewals would end with its deadline. */
  readonly #outside = new AsyncResource('MicroBroker');
  /** By namespace and topic, the one published to longest ago first. */
  readonly #audiences = new Map<string, Audience>();
  readonly #inboxes = new Set<Inbox>();
  readonly #publishing = new Set<Promise<void>>();
  #closed: Promise<void> | undefined;

  constructor({ registry, host = '127.0.0.1', warn = warnProcess }: HttpBrokerOptions) {
    super();
    this.#registry = registry;
    this.#warn = warn;
    this.#door = new Door(host);
  }

  override async publish(topic: string, message: NewMessage, options: PublishOptions = {}): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const checked = checkedMessage(topic, message);
    if (options.signal?.aborted) throw canceled();
    const audience = this.#audience(namespace, topic);
    const sent = this.#outside.runInAsyncScope(() => audience.send(checked));
    this.#publishing.add(sent);
    try {
      await unlessAborted(sent, options.signal);
    } catch (error) {
      throw explained(error);
    } finally {
      this.#publishing.delete(sent);
    }
  }

  override async subscribe(topic: string, options: SubscribeOptions = {}): Promise<Subscription> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const name = checkedTopic(topic);
    const queue = checkedQueue(options.queue);
    const buffer = checkedBuffer(options.buffer);
    const subscription = newSubscription();
    const lane = new Lane(patience);
    let registration: Registration | undefined;
    const inbox: Inbox = new Inbox({
      buffer,
      signal: options.signal,
      room: () => lane.advance(),
      leave: async () => {
        this.#inboxes.delete(inbox);
        this.#door.remove(subscription);
        lane.leave(inbox);
        await registration?.stop();
      },
    });
    this.#inboxes.add(inbox);
    lane.join(inbox);
    this.#door.add(subscription, { topic: name, lane });
    try {
      const address = await this.#door.address();
      if (inbox.isClosed) return inbox;
      const service = toService({ topic: name, queue, subscription, address });
      const placed = new Registration(this.#registry, service, { namespace, warn: this.#warn });
      registration = placed;
      await this.#outside.runInAsyncScope(() => placed.start());
      return inbox;
    } catch (error) {
      await inbox.close();
      throw explained(error);
    }
  }

  override async topics(options: BrokerOptions = {}): Promise<readonly string[]> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    try {
      const services = await this.#registry.list({ namespace });
      const topics = services.map(topicOf).filter((topic) => topic !== undefined);
      return [...new Set(topics)].sort();
    } catch (error) {
      throw explained(error);
    }
  }

  override close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#publishing);
    await Promise.all([...this.#inboxes].map((inbox) => inbox.close()));
    for (const audience of this.#audiences.values()) audience.close();
    for (const poster of this.#posters) poster.close();
    await this.#door.close();
  }

  #audience(namespace: string, topic: string): Audience {
    const key = `${namespace}/${topic}`;
    const known = this.#audiences.get(key);
    if (known) this.#audiences.delete(key);
    else this.#makeRoom();
    const reach = (place: SubscriptionPlace) => this.#reach(place);
    const audience = known ?? new Audience({ registry: this.#registry, namespace, topic, reach });
    this.#audiences.set(key, audience);
    return audience;
  }

  #makeRoom(): void {
    if (this.#audiences.size < mostAudiences) return;
    for (const [key, audience] of this.#audiences) {
      if (!audience.isIdle) continue;
      audience.close();
      this.#audiences.delete(key);
      return;
    }
  }

  #reach({ topic, subscription, address }: SubscriptionPlace): Omit<Member, 'id'> {
    const own = this.#door.get(subscription);
    if (!own) {
      const poster = new Poster({ address, subscription });
      this.#posters.add(poster);
      return {
        send: (frames, wait) => poster.send(frames, wait),
        leave: () => {
          this.#posters.delete(poster);
          poster.retire();
        },
      };
    }
    return {
      leave: () => undefined,
      send: (frames, wait) => {
        const receiver = this.#door.get(subscription);
        if (!receiver) return { outcome: Promise.resolve('gone'), cancel: () => undefined };
        // Copies: others may be sent the same.
        const messages = frames.flatMap((frame) => decodeFrames(new Uint8Array(frame), topic));
        return { outcome: take(receiver.lane, messages, wait), cancel: () => undefined };
      },
    };
  }
}

/** What the registry and Node throw, in the words of the contract. */
function explained(error: unknown): MicroError {
  const known = MicroError.from(error, 'broker');
  if (known.code !== 'failed_precondition') return known;
  return new MicroError('unavailable', `subscribers cannot be found: ${known.detail}`, { id: 'broker', cause: error });
}

function warnProcess(message: string): void {
  process.emitWarning(message, 'MicroBroker');
}
