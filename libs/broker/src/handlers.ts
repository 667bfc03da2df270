import { randomUUID } from 'node:crypto';
import { MicroError } from '@micro/errors';
import type { brokerProto } from '@micro/proto';
import type { CallContext } from '@micro/rpc';
import type { Broker, Subscription } from './broker.js';
import { subscriptionHeader, toMessage } from './messages.js';

/** Messages of one subscriber that wait here, beside those that wait on the way to it and where it is. */
const buffer = 100;

/** A broker as the service of broker.proto: each method is one call on the contract, in the namespace of the caller. */
export class BrokerHandlers {
  readonly #broker: Broker;
  /** By the name that its subscriber knows it by, which nobody guesses. */
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #stopping = new AbortController();

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  async publish(
    { topic, headers, body }: brokerProto.PublishRequest,
    { namespace }: CallContext,
  ): Promise<brokerProto.PublishResponse> {
    await this.#broker.publish(topic, { headers, body }, { namespace });
    return {};
  }

  async publishAll(
    { messages }: brokerProto.PublishAllRequest,
    { namespace }: CallContext,
  ): Promise<brokerProto.PublishResponse> {
    await Promise.all(
      messages.map(({ topic, headers, body }) => this.#broker.publish(topic, { headers, body }, { namespace })),
    );
    return {};
  }

  async *subscribe({ topic, queue }: brokerProto.SubscribeRequest, context: CallContext) {
    const { namespace, responseHeaders } = context;
    const signal = AbortSignal.any([context.signal, this.#stopping.signal]);
    const subscription = await this.#broker.subscribe(topic, { namespace, queue, buffer, signal });
    const name = randomUUID();
    this.#subscriptions.set(name, subscription);
    let isListed: boolean;
    try {
      // It has ended before it was in force.
      if (this.#stopping.signal.aborted) throw stops();
      responseHeaders.set(subscriptionHeader, name);
      context.sendHeaders();
      for await (const message of subscription) yield toMessage(message);
    } finally {
      isListed = this.#subscriptions.delete(name);
      await subscription.close();
    }
    if (isListed && !context.signal.aborted) throw stops();
  }

  async unsubscribe({ subscription: name }: brokerProto.UnsubscribeRequest): Promise<brokerProto.UnsubscribeResponse> {
    const subscription = this.#subscriptions.get(name);
    this.#subscriptions.delete(name);
    await subscription?.close();
    return {};
  }

  async topics(_request: brokerProto.TopicsRequest, { namespace }: CallContext): Promise<brokerProto.TopicsResponse> {
    return { topics: [...(await this.#broker.topics({ namespace }))] };
  }

  /** Ends the subscriptions, which by themselves would last for ever, so that their server can stop. */
  stop(): void {
    this.#stopping.abort();
  }
}

function stops(): MicroError {
  return new MicroError('unavailable', 'the broker stops: subscribe again', { id: 'broker' });
}
