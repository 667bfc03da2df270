import {
  Broker,
  type BrokerOptions,
  type Consumer,
  type ConsumeOptions,
  type DeadLetter,
  type DeadLetterOptions,
  type Delivery,
  type Event,
  Events,
  type EventsOptions,
  type FollowOptions,
  type Message,
  type NewEvent,
  type NewMessage,
  ownMessage,
  type Published,
  type PublishOptions,
  type ReadOptions,
  type StreamInfo,
  type StreamsOptions,
  type SubscribeOptions,
  type Subscription,
} from '@micro/broker';
import type { Platform } from '@micro/platform';
import type { CallScope } from '@micro/rpc';
import { Flow, type Source, sourceOf } from './flow.js';
import { type Headers, outgoingHeaders, scopeOf } from './headers.js';
import { openedPlatform, openPlatform } from './process-platform.js';

/** The broker as a service has it: topics of its namespace, messages that carry on the trace. Closed with the process's last service. */
class OwnBroker extends Broker {
  override async publish(topic: string, message: NewMessage, options?: PublishOptions): Promise<void> {
    const own = ownMessage(message);
    const platform = await opened();
    const headers = outgoingHeaders(platform, own.headers);
    await platform.broker.publish(topic, { ...own, headers }, placed(platform, options));
  }

  override async subscribe(topic: string, options?: SubscribeOptions): Promise<Subscription> {
    const { signal, ...rest } = options ?? {};
    const { scope, open } = openSubscription(topic, rest);
    const flow = new Flow({ what: `topic ${topic}`, signal, scope: ({ headers }) => scope(headers), open });
    await flow.ready;
    return flow;
  }

  override async topics(options?: BrokerOptions): Promise<readonly string[]> {
    const platform = await opened();
    return platform.broker.topics(placed(platform, options));
  }

  /** Nothing: it is the process's, and closed with it. */
  override async close(): Promise<void> {}
}

/** Events as a service has them: streams of its namespace, events that carry on the trace. */
class OwnEvents extends Events {
  override async publish(stream: string, event: NewEvent, options?: EventsOptions): Promise<Published> {
    const own = ownMessage(event);
    const platform = await opened();
    const headers = outgoingHeaders(platform, own.headers);
    return platform.events.publish(stream, { ...own, headers }, placed(platform, options));
  }

  override async read(stream: string, options?: ReadOptions): Promise<readonly Event[]> {
    const platform = await opened();
    return platform.events.read(stream, placed(platform, options));
  }

  override follow(stream: string, options?: FollowOptions): AsyncIterable<Event> {
    const { signal, ...rest } = options ?? {};
    const { scope, open } = openFollowing(stream, rest);
    return new Flow({ what: `stream ${stream}`, signal, scope: ({ headers }) => scope(headers), open });
  }

  override async consume(stream: string, options: ConsumeOptions): Promise<Consumer> {
    const { signal, ...rest } = options;
    const { scope, open } = openConsumer(stream, rest);
    const flow = new Flow({
      what: `stream ${stream}`,
      signal,
      scope: ({ event }) => scope(event.headers),
      holding: (delivery, over) => ({ event: delivery.event, ...settling(delivery, over) }),
      open,
    });
    await flow.ready;
    return flow;
  }

  override async streams(options?: StreamsOptions): Promise<readonly StreamInfo[]> {
    const platform = await opened();
    return platform.events.streams(placed(platform, options));
  }

  override async deadLetters(stream: string, options?: DeadLetterOptions): Promise<readonly DeadLetter[]> {
    const platform = await opened();
    return platform.events.deadLetters(stream, placed(platform, options));
  }

  override async replay(stream: string, options: Parameters<Events['replay']>[1]): Promise<number> {
    const platform = await opened();
    return platform.events.replay(stream, placed(platform, options));
  }

  override async drop(stream: string, options: Parameters<Events['drop']>[1]): Promise<number> {
    const platform = await opened();
    return platform.events.drop(stream, placed(platform, options));
  }

  /** Nothing: they are the process's, and closed with it. */
  override async close(): Promise<void> {}
}

/** Publish and subscribe: the contract of the broker, in the service's own namespace. May be used at the top of a file; opened when it is first used. */
export const broker: Broker = new OwnBroker();

/** Streams of events that are kept: the contract of events, in the service's own namespace. */
export const events: Events = new OwnEvents();

/** What a flow of the process is made of. */
export interface Opening<T> {
  /** What is done for an item takes this over, by the item's headers. */
  scope(headers: Headers): CallScope;
  open(platform: Platform): Promise<Source<T>>;
}

export function openSubscription(topic: string, options: Omit<SubscribeOptions, 'signal'>): Opening<Message> {
  return opening(options, async (platform, place) => {
    const subscribed = await platform.broker.subscribe(topic, place);
    return { ...sourceOf(subscribed), close: () => subscribed.close() };
  });
}

export function openFollowing(stream: string, options: Omit<FollowOptions, 'signal'>): Opening<Event> {
  return opening(options, async (platform, place) => sourceOf(platform.events.follow(stream, place)));
}

export function openConsumer(stream: string, options: Omit<ConsumeOptions, 'signal'>): Opening<Delivery> {
  return opening(options, async (platform, place) => {
    const consumed = await platform.events.consume(stream, place);
    return { ...sourceOf(consumed), close: () => consumed.close() };
  });
}

/** The ways to settle a delivery, telling when it is in nobody's hands any more. */
export function settling(delivery: Omit<Delivery, 'event'>, over: () => void): Omit<Delivery, 'event'> {
  return {
    attempt: delivery.attempt,
    ack: () => delivery.ack().finally(over),
    nack: (options) => delivery.nack(options).finally(over),
    reject: (reason) => delivery.reject(reason).finally(over),
    extend: () => delivery.extend(),
  };
}

function opening<T, O extends BrokerOptions>(
  options: O,
  open: (platform: Platform, place: O & Required<BrokerOptions>) => Promise<Source<T>>,
): Opening<T> {
  let own = '';
  return {
    scope: (headers) => scopeOf(headers, own),
    open: (platform) => {
      const place = placed(platform, options);
      own = place.namespace;
      return open(platform, place);
    },
  };
}

function placed<O extends BrokerOptions>(platform: Platform, options: O | undefined): O & Required<BrokerOptions> {
  const { namespace = platform.environment.namespace } = options ?? {};
  return { ...(options as O), namespace };
}

async function opened(): Promise<Platform> {
  return openedPlatform() ?? openPlatform();
}
