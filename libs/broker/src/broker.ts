/** What is published. */
export interface NewMessage {
  /** Default: empty. */
  readonly body?: Uint8Array;
  /**
   * Names as HTTP has them (letters, digits and !#$%&'*+-.^_`|~), compared without case; they come in lower case. Values are text without
   * control characters. Default: none.
   */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a subscriber gets. */
export interface Message {
  readonly topic: string;
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export interface BrokerOptions {
  /** Whose topics: a topic of one namespace is not heard in another. Default `micro`. */
  readonly namespace?: string;
}

export interface PublishOptions extends BrokerOptions {
  /** Gives up waiting, with MicroError `canceled`; some subscribers may get the message. */
  readonly signal?: AbortSignal;
}

export interface SubscribeOptions extends BrokerOptions {
  /** The subscriptions of a topic with the same queue share its messages: each goes to one of them. Default, and empty: each message comes here. */
  readonly queue?: string;
  /** Messages that wait here to be taken, at least 1; beyond that, and what is on its way, the publishers wait. Default 1,000. */
  readonly buffer?: number;
  /** Ends the subscription, quietly. */
  readonly signal?: AbortSignal;
}

/** A subscription that is in force. To be iterated over by one consumer; ends when it is closed, and throws when it cannot go on. */
export interface Subscription extends AsyncIterable<Message>, AsyncDisposable {
  /** Takes what comes no more; resolves when nobody sends here any longer. What waits in the buffer is dropped. A second call does nothing. */
  close(): Promise<void>;
}

/** Of every adapter. */
export const brokerLimits = {
  /** Of a topic's or a queue's name: letters, digits, `.`, `_` and `-`; it begins and ends with a letter or digit. */
  nameLength: 200,
  /** Of a body. */
  bodyBytes: 1024 * 1024,
  /** Of the headers, names and values together, in bytes of UTF-8. */
  headerBytes: 16 * 1024,
} as const;

/** Milliseconds that a publisher waits for a subscriber who takes nothing, before it goes on without him. */
export const patience = 1_000;

export const defaultNamespace = 'micro';

/**
 * Publish and subscribe: the broker's contract, and its token in Nest. Fire and forget: a message goes to who is subscribed at that moment,
 * at most once to each subscription, or of a queue to one, and is kept nowhere. What must not be lost is an event (Events).
 *
 * Messages of one publisher, each published after the promise of the last has resolved or simply one call after the other, come to a
 * subscription in that order. A subscriber who is slow holds the publisher up for a second at most, and then loses messages; one who is
 * slow or dead holds no other subscriber up. Of a queue, another member gets what one cannot be given.
 *
 * MicroError `invalid_argument` for names and sizes beyond the limits, naming them; `unavailable` when the broker cannot be reached or is
 * closed.
 */
export abstract class Broker {
  /**
   * Resolves when each subscriber's side has the message, or has been given up on. Nobody subscribed is no error. The message may be changed
   * as soon as this has returned its promise.
   */
  abstract publish(topic: string, message: NewMessage, options?: PublishOptions): Promise<void>;

  /** Resolves when it is in force: a message published after that, by anyone who can be heard here, comes. */
  abstract subscribe(topic: string, options?: SubscribeOptions): Promise<Subscription>;

  /** Names of the topics with at least one subscription, ascending. */
  abstract topics(options?: BrokerOptions): Promise<readonly string[]>;

  /** Sends what has been published, ends the subscriptions; later calls fail with `unavailable`. A second call does nothing. */
  abstract close(): Promise<void>;
}
