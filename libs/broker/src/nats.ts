import { MicroError } from '@micro/errors';
import { type NatsClient, type NatsOptions, openNats } from '@micro/nats';
import type { Msg, Subscription as NatsSubscription } from '@nats-io/transport-node';
import {
  Broker,
  type BrokerOptions,
  type NewMessage,
  patience,
  type PublishOptions,
  type SubscribeOptions,
  type Subscription,
} from './broker.js';
import { Inbox } from './inbox.js';
import { Lane } from './lane.js';
import { NatsAudience } from './nats-audience.js';
import { Listener, type Room } from './nats-listener.js';
import { give, Receivers } from './nats-member.js';
import { Packets, payloadOf, subjects, toMessages } from './nats-packets.js';
import { type Listed, Processes } from './nats-processes.js';
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

export type NatsBrokerOptions = Omit<NatsOptions, 'id'>;

/** The way of messages to a subscription. */
interface Way {
  /** The subscription is in force. */
  begin(): void;
  /** There is room in its inbox. */
  room(): void;
  leave(): void;
}

/** What a listener tells a publisher, on the wire. */
interface Told extends Room {
  readonly process: string;
  readonly number: number;
}

/** Topics whose subscribers are kept in mind. */
const mostAudiences = 256;
/** Milliseconds that the server has to take a message. */
const answerTimeout = 2_000;
/** Bytes of messages that are not settled, at most: a server that takes nothing fills no memory. */
const mostOpenBytes = 256 * 1024 * 1024;

/** Connects; MicroError where that does not work, saying which setting to look at. */
export async function openNatsBroker(options: NatsBrokerOptions): Promise<NatsBroker> {
  const nats = await openNats({ ...options, id: 'broker' });
  try {
    payloadOf(nats.connection.info);
    const broker = new NatsBroker(nats);
    await nats.flush();
    if (nats.denied) throw nats.denied;
    return broker;
  } catch (error) {
    await nats.close();
    throw error;
  }
}

/**
 * Publish and subscribe on core NATS. What is published goes to the server once for everybody without a queue, and once for each queue to one of its
 * members; listeners tell publishers how much room they have, so that a slow one is waited for, and never cut off by the server.
 */
export class NatsBroker extends Broker {
  readonly #nats: NatsClient;
  readonly #processes: Processes;
  readonly #receivers = new Receivers();
  /** What this process listens to, by subject. */
  readonly #listeners = new Map<string, { readonly listener: Listener; readonly subscription: NatsSubscription }>();
  /** By namespace and topic, the one published to longest ago first; and by the number of their stream. */
  readonly #audiences = new Map<string, NatsAudience>();
  readonly #inboxes = new Set<Inbox>();
  #streams = 0;
  #subscriptions = 0;
  /** Messages that are not settled, and their bytes. */
  #open = 0;
  #openBytes = 0;
  #quiet: () => void = () => undefined;
  #closed: Promise<void> | undefined;

  /** The connection becomes the broker's, and is closed with it. */
  constructor(nats: NatsClient) {
    super();
    this.#nats = nats;
    this.#processes = new Processes(nats, {
      joined: (process, subscription) => this.#audienceOf(subscription)?.joined(process, subscription),
      left: (process, subscription) => this.#audienceOf(subscription)?.left(process, subscription),
      here: (process) => {
        for (const audience of this.#audiences.values()) audience.processHere(process);
      },
      again: (process) => {
        for (const audience of this.#audiences.values()) audience.processAgain(process);
      },
      gone: (process) => {
        this.#receivers.forget(process);
        for (const { listener } of this.#listeners.values()) listener.forget(process);
      },
    });
    nats.subscribe(subjects.process(this.#processes.id, 'give'), (message) => this.#given(message));
    nats.subscribe(subjects.process(this.#processes.id, 'room'), (message) => this.#told(message.json<Told>()));
    nats.listen((connected) => (connected ? this.#again() : this.#processes.lost()));
  }

  override async publish(topic: string, message: NewMessage, options: PublishOptions = {}): Promise<void> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const checked = checkedMessage(topic, message);
    if (options.signal?.aborted) throw canceled();
    this.#nats.check();
    const bytes = checked.body.length;
    if (this.#openBytes + bytes > mostOpenBytes) throw tooMuch();
    this.#openBytes += bytes;
    this.#open++;
    const sent = new Promise<void>((resolve, reject) => {
      const ended = (error?: unknown) => {
        this.#openBytes -= bytes;
        if (--this.#open === 0) this.#quiet();
        if (error === undefined) resolve();
        else reject(error as Error);
      };
      this.#audience(namespace, topic).send(checked, ended);
    });
    return options.signal ? unlessAborted(sent, options.signal) : sent;
  }

  override async subscribe(topic: string, options: SubscribeOptions = {}): Promise<Subscription> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    const listed = { namespace, topic: checkedTopic(topic), queue: checkedQueue(options.queue) };
    const buffer = checkedBuffer(options.buffer);
    this.#nats.check();
    const number = ++this.#subscriptions;
    let way: Way = { begin: () => undefined, room: () => undefined, leave: () => undefined };
    const inbox: Inbox = new Inbox({
      buffer,
      signal: options.signal,
      room: () => way.room(),
      leave: () => {
        this.#inboxes.delete(inbox);
        way.leave();
        this.#processes.remove(number);
        return this.#nats.flush(answerTimeout).catch(() => undefined);
      },
    });
    if (inbox.isClosed) return inbox;
    this.#inboxes.add(inbox);
    way = listed.queue === undefined ? this.#listen(listed, inbox) : this.#receive(listed, { inbox, number });
    this.#processes.add({ number, ...listed });
    try {
      await this.#processes.reach();
      this.#nats.check();
      way.begin();
      return inbox;
    } catch (error) {
      await inbox.close();
      throw error;
    }
  }

  override async topics(options: BrokerOptions = {}): Promise<readonly string[]> {
    if (this.#closed) throw closed();
    const namespace = checkedNamespace(options.namespace);
    // What has been said by now has come by then.
    await this.#nats.flush();
    await this.#processes.complete();
    this.#nats.check();
    const topics = [...this.#processes.of(namespace)].map(({ subscription }) => subscription.topic);
    return [...new Set(topics)].sort();
  }

  override close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    if (this.#open > 0) await new Promise<void>((resolve) => (this.#quiet = resolve));
    await Promise.all([...this.#inboxes].map((inbox) => inbox.close()));
    this.#processes.close();
    for (const audience of this.#audiences.values()) audience.close();
    await this.#nats.close();
  }

  /** The subscriptions without a queue, of one topic, are one for the server. */
  #listen({ namespace, topic }: Omit<Listed, 'number'>, inbox: Inbox): Way {
    const subject = subjects.topic(namespace, topic);
    const { listener, subscription } = this.#listeners.get(subject) ?? this.#newListener(subject, topic);
    this.#listeners.set(subject, { listener, subscription });
    listener.expect(inbox);
    return {
      begin: () => listener.join(inbox),
      room: () => listener.advance(inbox),
      leave: () => {
        listener.leave(inbox);
        if (!listener.isEmpty) return;
        this.#listeners.delete(subject);
        subscription.unsubscribe();
      },
    };
  }

  #newListener(subject: string, topic: string) {
    const { id } = this.#processes;
    const packets = new Packets();
    const listener = new Listener(topic, (owner, room) => {
      const told: Told = { process: id, number: owner.number, ...room };
      this.#nats.connection.publish(subjects.process(owner.process, 'room'), JSON.stringify(told));
    });
    const subscription = this.#nats.subscribe(subject, ({ data }) => {
      const taken = packets.take(data);
      if (taken) listener.take(taken.owner, taken.packet);
    });
    return { listener, subscription };
  }

  #receive(
    { topic }: Omit<Listed, 'number'>,
    { inbox, number }: { readonly inbox: Inbox; readonly number: number },
  ): Way {
    const lane = new Lane(patience);
    lane.join(inbox);
    this.#receivers.add(number, { topic, lane });
    return {
      begin: () => undefined,
      room: () => lane.advance(),
      leave: () => {
        this.#receivers.remove(number);
        lane.leave(inbox);
      },
    };
  }

  #given(message: Msg): void {
    // What is no message of ours has no answer.
    this.#receivers.take(message).catch(() => undefined);
  }

  #told({ process, number, position, limit }: Told): void {
    for (const audience of this.#audiences.values())
      if (audience.number === number) return audience.told(process, { position, limit });
  }

  #again(): void {
    this.#processes.again();
    for (const { listener } of this.#listeners.values()) listener.again();
    for (const audience of this.#audiences.values()) audience.again();
  }

  #audienceOf({ namespace, topic }: Listed): NatsAudience | undefined {
    return this.#audiences.get(`${namespace}/${topic}`);
  }

  #audience(namespace: string, topic: string): NatsAudience {
    const key = `${namespace}/${topic}`;
    const known = this.#audiences.get(key);
    if (known) this.#audiences.delete(key);
    else this.#makeRoom();
    const audience = known ?? this.#newAudience(namespace, topic);
    this.#audiences.set(key, audience);
    return audience;
  }

  #newAudience(namespace: string, topic: string): NatsAudience {
    const { id } = this.#processes;
    const subject = subjects.topic(namespace, topic);
    const { connection } = this.#nats;
    return new NatsAudience({
      processes: this.#processes,
      namespace,
      topic,
      next: () => ({ process: id, number: ++this.#streams }),
      flush: () => this.#nats.flush(answerTimeout),
      send: (owner, pieces) => {
        this.#nats.check();
        for (const part of toMessages(owner, pieces, payloadOf(connection.info))) connection.publish(subject, part);
      },
      reach: (process, number) => (frames, wait) => {
        const from = { process: id, number: this.#processes.session };
        return give(this.#nats, { from, process, number }, frames, wait);
      },
    });
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
}

function tooMuch(): MicroError {
  const detail = `more than ${mostOpenBytes} bytes are on their way to NATS: wait for what has been published before`;
  return new MicroError('resource_exhausted', detail, { id: 'broker' });
}
