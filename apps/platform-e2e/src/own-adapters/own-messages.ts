import {
  Broker,
  type BrokerOptions,
  type ConsumeOptions,
  type DeadLetterOptions,
  Events,
  type EventsOptions,
  type FollowOptions,
  MemoryBroker,
  MemoryEvents,
  type NewEvent,
  type NewMessage,
  type PublishOptions,
  type ReadEventsOptions,
  type Retention,
  type SubscribeOptions,
} from '@micro/service/adapter';

/** A broker as somebody else would write one, on top of the one in memory. */
export class OwnBroker extends Broker {
  protected readonly kept = new MemoryBroker();

  override publish(topic: string, message: NewMessage, options?: PublishOptions) {
    return this.kept.publish(topic, message, options);
  }
  override subscribe(topic: string, options?: SubscribeOptions) {
    return this.kept.subscribe(topic, options);
  }
  override topics(options?: BrokerOptions) {
    return this.kept.topics(options);
  }
  override close() {
    return this.kept.close();
  }
}

export class OwnEvents extends Events {
  protected readonly kept: Events;

  constructor(retention?: Retention) {
    super();
    this.kept = new MemoryEvents({ retention });
  }

  override publish(stream: string, event: NewEvent, options?: EventsOptions) {
    return this.kept.publish(stream, event, options);
  }
  override read(stream: string, options?: ReadEventsOptions) {
    return this.kept.read(stream, options);
  }
  override follow(stream: string, options?: FollowOptions) {
    return this.kept.follow(stream, options);
  }
  override consume(stream: string, options: ConsumeOptions) {
    return this.kept.consume(stream, options);
  }
  override streams(options?: EventsOptions) {
    return this.kept.streams(options);
  }
  override deadLetters(stream: string, options?: DeadLetterOptions) {
    return this.kept.deadLetters(stream, options);
  }
  override replay(stream: string, options: Parameters<Events['replay']>[1]) {
    return this.kept.replay(stream, options);
  }
  override drop(stream: string, options: Parameters<Events['drop']>[1]) {
    return this.kept.drop(stream, options);
  }
  override close() {
    return this.kept.close();
  }
}
