import { outsideCalls } from '@micro/rpc';
import {
  Broker,
  type BrokerOptions,
  type NewMessage,
  type PublishOptions,
  type SubscribeOptions,
  type Subscription,
} from './broker.js';
import { ownMessage } from './own-copies.js';
import { closed } from './validation.js';

/** A broker that is opened when it is first used: who never publishes pays for nothing. One that could not be opened is tried again with the next call. */
export class LaterBroker extends Broker {
  readonly #open: () => Promise<Broker>;
  #opening: Promise<Broker> | undefined;
  #opened: Broker | undefined;
  #closed = false;

  constructor(open: () => Promise<Broker>) {
    super();
    this.#open = open;
  }

  override async publish(topic: string, message: NewMessage, options?: PublishOptions): Promise<void> {
    if (this.#opened) return this.#opened.publish(topic, message, options);
    const own = ownMessage(message);
    await (await this.#broker()).publish(topic, own, options);
  }

  override async subscribe(topic: string, options?: SubscribeOptions): Promise<Subscription> {
    return (await this.#broker()).subscribe(topic, options);
  }

  override async topics(options?: BrokerOptions): Promise<readonly string[]> {
    return (await this.#broker()).topics(options);
  }

  /** Closes what was opened. */
  override async close(): Promise<void> {
    this.#closed = true;
    const broker = await this.#opening?.catch(() => undefined);
    await broker?.close();
  }

  #broker(): Promise<Broker> {
    if (this.#closed) return Promise.reject(closed());
    if (!this.#opening) {
      // It outlives the call that it is first used in.
      const opening = outsideCalls(this.#open);
      this.#opening = opening;
      opening.then(
        (broker) => (this.#opened = broker),
        () => (this.#opening = undefined),
      );
    }
    return this.#opening;
  }
}
