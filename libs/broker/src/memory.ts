import {
  Broker,
  type BrokerOptions,
  type Message,
  type NewMessage,
  patience,
  type PublishOptions,
  type SubscribeOptions,
  type Subscription,
} from './broker.js';
import { Inbox } from './inbox.js';
import { Lane } from './lane.js';
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

/** Who is subscribed to a topic: one lane for each subscription without a queue, and for each queue. */
interface Topic {
  readonly lanes: Set<Lane>;
  readonly queues: Map<string, Lane>;
}

/** Subscribers of one broker, in the memory of its process. */
export class MemoryBroker extends Broker {
  /** By namespace, then name. */
  readonly #topics = new Map<string, Map<string, Topic>>();
  readonly #inboxes = new Set<Inbox>();
  readonly #publishing = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  override async publish(topic: string, message: NewMessage, options: PublishOptions = {}): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const checked = checkedMessage(topic, message);
    if (options.signal?.aborted) throw canceled();
    const { lanes = [] } = this.#topics.get(namespace)?.get(topic) ?? {};
    const waits: Promise<boolean>[] = [];
    for (const lane of lanes) {
      const taken = lane.give(ownCopy(checked), patience);
      if (typeof taken !== 'boolean') waits.push(taken);
    }
    if (waits.length > 0) await this.#wait(Promise.all(waits), options.signal);
  }

  override async subscribe(topic: string, options: SubscribeOptions = {}): Promise<Subscription> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const name = checkedTopic(topic);
    const queue = checkedQueue(options.queue);
    const buffer = checkedBuffer(options.buffer);
    const lane = this.#lane(namespace, name, queue);
    const inbox: Inbox = new Inbox({
      buffer,
      signal: options.signal,
      room: () => lane.advance(),
      leave: async () => {
        this.#inboxes.delete(inbox);
        lane.leave(inbox);
        if (lane.members.length === 0) this.#remove({ namespace, topic: name, queue, lane });
      },
    });
    this.#inboxes.add(inbox);
    lane.join(inbox);
    return inbox;
  }

  override async topics(options: BrokerOptions = {}): Promise<readonly string[]> {
    if (this.#closed) throw closed();
    return [...(this.#topics.get(checkedNamespace(options.namespace))?.keys() ?? [])].sort();
  }

  override close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    await Promise.all(this.#publishing);
    await Promise.all([...this.#inboxes].map((inbox) => inbox.close()));
  }

  async #wait(taken: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
    this.#publishing.add(taken);
    try {
      await unlessAborted(taken, signal);
    } finally {
      this.#publishing.delete(taken);
    }
  }

  #lane(namespace: string, name: string, queue: string | undefined): Lane {
    const names = this.#topics.get(namespace) ?? new Map<string, Topic>();
    const topic = names.get(name) ?? { lanes: new Set(), queues: new Map() };
    this.#topics.set(namespace, names.set(name, topic));
    const lane = (queue === undefined ? undefined : topic.queues.get(queue)) ?? new Lane(patience);
    if (queue !== undefined) topic.queues.set(queue, lane);
    topic.lanes.add(lane);
    return lane;
  }

  #remove(place: {
    readonly namespace: string;
    readonly topic: string;
    readonly queue: string | undefined;
    readonly lane: Lane;
  }): void {
    const names = this.#topics.get(place.namespace);
    const topic = names?.get(place.topic);
    if (!names || !topic?.lanes.delete(place.lane)) return;
    if (place.queue !== undefined) topic.queues.delete(place.queue);
    if (topic.lanes.size === 0) names.delete(place.topic);
    if (names.size === 0) this.#topics.delete(place.namespace);
  }
}

/** What one subscriber does to a message is not seen by others, nor what the publisher does to it later. */
function ownCopy({ topic, body, headers }: Message): Message {
  return { topic, body: new Uint8Array(body), headers: { ...headers } };
}
