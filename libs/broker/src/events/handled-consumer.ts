import { MicroError } from '@micro/errors';
import { eventsProto } from '@micro/proto';
import type { Consumer, Delivery, Events } from './events.js';
import { fromPosition, toEvent } from './messages.js';
import { Outbox } from './outbox.js';
import { invalid } from './validation.js';

const { ACK, NACK, REJECT, EXTEND } = eventsProto.ConsumeRequest_Settle_Outcome;

/** Deliveries that are remembered of a consumer who settles nothing. */
const mostRemembered = 10_000;

export interface HandledConsumerOptions {
  readonly namespace: string;
  /** Aborts when the other end is not there any more. */
  readonly lost: AbortSignal;
  /** Aborts when this end stops. */
  readonly stop: AbortSignal;
}

/** A consumer whose hands are at the other end of a call of Consume. */
export class HandledConsumer {
  readonly #events: Events;
  readonly #options: HandledConsumerOptions;
  readonly #outbox = new Outbox<Partial<eventsProto.ConsumeResponse>>();
  /** By the number that the other end knows them by. */
  readonly #deliveries = new Map<bigint, Delivery>();
  /** By number, until all that was asked of it is answered. */
  readonly #settling = new Map<bigint, Promise<void>>();
  #last = 0n;
  #wanted = 0;
  #giving = false;
  #failure: unknown;

  constructor(events: Events, options: HandledConsumerOptions) {
    this.#events = events;
    this.#options = options;
  }

  /** The answers of the call; ends when the requests end, or a signal aborts. */
  async *run(requests: AsyncIterable<eventsProto.ConsumeRequest>) {
    const incoming = requests[Symbol.asyncIterator]();
    const { value: first } = await incoming.next();
    const consumer = await this.#join(first?.join);
    try {
      this.#outbox.push({ joined: {} });
      const end = () => this.#outbox.end();
      const over = AbortSignal.any([this.#options.lost, this.#options.stop]);
      over.addEventListener('abort', end, { once: true });
      if (over.aborted) end();
      void this.#obey(incoming, consumer);
      yield* this.#outbox;
    } finally {
      if (this.#options.lost.aborted) await this.#giveUp();
      await consumer.close();
      this.#deliveries.clear();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  async #join(join: eventsProto.ConsumeRequest_Join | undefined): Promise<Consumer> {
    if (!join) throw invalid('the first message of Consume is `join`: which stream and group');
    return this.#events.consume(join.stream, {
      namespace: this.#options.namespace,
      group: join.group,
      from: fromPosition(join.from),
      ackWait: join.ackWaitMs === 0n ? undefined : Number(join.ackWaitMs),
      maxDeliveries: join.maxDeliveries === 0 ? undefined : join.maxDeliveries,
      backoff: join.backoffMs === undefined ? undefined : Number(join.backoffMs),
      inFlight: join.inFlight === 0 ? undefined : join.inFlight,
    });
  }

  /** Whoever was to settle these has broken down, or was cut off: it may be the events that did that. */
  async #giveUp(): Promise<void> {
    this.#wanted = 0;
    const unsettled = [...this.#deliveries.values()];
    this.#deliveries.clear();
    await Promise.allSettled(unsettled.map((delivery) => delivery.nack({ delay: 0, reason: 'its consumer was lost' })));
  }

  async #obey(incoming: AsyncIterator<eventsProto.ConsumeRequest>, consumer: Consumer): Promise<void> {
    try {
      for (;;) {
        const { value: request, done } = await incoming.next();
        if (done) break;
        if (request.more) {
          this.#wanted += request.more.count;
          void this.#give(consumer);
        } else if (request.settle) {
          this.#answer(request.settle);
        } else {
          throw invalid('after `join`, a message of Consume is `more` or `settle`');
        }
      }
      await Promise.all(this.#settling.values());
      // The answer ends when nothing is held any longer.
      await consumer.close();
    } catch (error) {
      this.#failure = error;
    }
    this.#outbox.end();
  }

  /** As many as were asked for. */
  async #give(consumer: Consumer): Promise<void> {
    if (this.#giving) return;
    this.#giving = true;
    const deliveries = consumer[Symbol.asyncIterator]();
    try {
      for (; this.#wanted > 0; this.#wanted--) {
        const { value: delivery, done } = await deliveries.next();
        if (done) return this.#outbox.end();
        const number = ++this.#last;
        this.#deliveries.set(number, delivery);
        this.#deliveries.delete(number - BigInt(mostRemembered));
        const { event, attempt } = delivery;
        this.#outbox.push({ delivered: { delivery: number, event: toEvent(event), attempt } });
      }
    } catch (error) {
      this.#failure = error;
      this.#outbox.end();
    } finally {
      this.#giving = false;
    }
  }

  /** In the order in which it is asked: an answer says no more than of which delivery it is. */
  #answer(asked: eventsProto.ConsumeRequest_Settle): void {
    const { delivery } = asked;
    const before = this.#settling.get(delivery);
    const settling = this.#settle(asked);
    const answer = async () => {
      const settled = await settling;
      await before;
      this.#outbox.push({ settled: { delivery, ...settled } });
      if (this.#settling.get(delivery) === answering) this.#settling.delete(delivery);
    };
    const answering = answer();
    this.#settling.set(delivery, answering);
  }

  async #settle({
    delivery: number,
    outcome,
    reason,
    delayMs,
  }: eventsProto.ConsumeRequest_Settle): Promise<Omit<eventsProto.ConsumeResponse_Settled, 'delivery'>> {
    const delivery = this.#deliveries.get(number);
    try {
      if (outcome !== EXTEND) this.#deliveries.delete(number);
      // A second is no error and does nothing.
      if (delivery) {
        if (outcome === ACK) await delivery.ack();
        else if (outcome === NACK)
          await delivery.nack({ reason, delay: delayMs === undefined ? undefined : Number(delayMs) });
        else if (outcome === REJECT) await delivery.reject(reason);
        else if (outcome === EXTEND) await delivery.extend();
        else throw invalid(`there is no outcome ${outcome}: ACK, NACK, REJECT or EXTEND`);
      }
      return { code: '', detail: '' };
    } catch (error) {
      const { code, detail } = MicroError.from(error, 'broker');
      // It could not be kept: that may be tried again.
      if (delivery && code !== 'aborted') this.#deliveries.set(number, delivery);
      return { code, detail };
    }
  }
}
