import { MicroError } from '@micro/errors';
import type { eventsProto } from '@micro/proto';
import type { CallContext } from '@micro/rpc';
import type { Events, Position } from './events.js';
import { HandledConsumer } from './handled-consumer.js';
import { asAsked, fromHeader, fromPosition, toDeadLetter, toEvent, toStreamInfo } from './messages.js';
import { sizeOf } from './validation.js';

/** Bytes of events in one answer, below what a client takes by default. */
const answerBytes = 2 * 1024 * 1024;

/** Events as the service of events.proto: each method is one call on the contract, in the namespace of the caller. */
export class EventsHandlers {
  readonly #events: Events;
  readonly #stopping = new AbortController();

  constructor(events: Events) {
    this.#events = events;
  }

  async publish(
    { stream, id, headers, body }: eventsProto.PublishEventRequest,
    { namespace }: CallContext,
  ): Promise<eventsProto.PublishEventResponse> {
    return this.#events.publish(stream, { id: id === '' ? undefined : id, headers, body }, { namespace });
  }

  async read(
    { stream, from, limit }: eventsProto.ReadEventsRequest,
    { namespace }: CallContext,
  ): Promise<eventsProto.ReadEventsResponse> {
    const options = { from: fromPosition(from), limit: limit === 0 ? undefined : limit, namespace };
    const events: eventsProto.Event[] = [];
    let bytes = 0;
    for (const event of await this.#events.read(stream, options)) {
      bytes += sizeOf(event);
      if (events.length > 0 && bytes > answerBytes) break;
      events.push(toEvent(event));
    }
    return { events };
  }

  async *follow({ stream, from }: eventsProto.FollowEventsRequest, context: CallContext) {
    const { namespace, responseHeaders } = context;
    const signal = AbortSignal.any([context.signal, this.#stopping.signal]);
    const position = await this.#position(stream, { from: fromPosition(from) ?? 'newest', namespace });
    const events = this.#events.follow(stream, { from: position, namespace, signal });
    const isOffset = typeof position === 'object' && 'offset' in position;
    responseHeaders.set(fromHeader, isOffset ? `${position.offset}` : asAsked);
    context.sendHeaders();
    for await (const event of events) yield toEvent(event);
    if (!context.signal.aborted) throw stopping();
  }

  async *consume(requests: AsyncIterable<eventsProto.ConsumeRequest>, context: CallContext) {
    const { namespace, signal: lost } = context;
    const consumer = new HandledConsumer(this.#events, { namespace, lost, stop: this.#stopping.signal });
    yield* consumer.run(requests);
    if (this.#stopping.signal.aborted && !context.signal.aborted) throw stopping();
  }

  async streams(
    { stream }: eventsProto.StreamsRequest,
    { namespace }: CallContext,
  ): Promise<eventsProto.StreamsResponse> {
    const options = { stream: stream === '' ? undefined : stream, namespace };
    return { streams: (await this.#events.streams(options)).map(toStreamInfo) };
  }

  async *deadLetters({ stream, group }: eventsProto.DeadLettersRequest, { namespace }: CallContext) {
    const options = { group: group === '' ? undefined : group, namespace };
    for (const letter of await this.#events.deadLetters(stream, options)) yield toDeadLetter(letter);
  }

  async replay(
    { stream, group, offsets }: eventsProto.ReplayRequest,
    { namespace }: CallContext,
  ): Promise<eventsProto.ReplayResponse> {
    const some = offsets.length === 0 ? undefined : offsets;
    return { replayed: BigInt(await this.#events.replay(stream, { group, offsets: some, namespace })) };
  }

  async drop(
    { stream, group, offsets }: eventsProto.DropRequest,
    { namespace }: CallContext,
  ): Promise<eventsProto.DropResponse> {
    const some = offsets.length === 0 ? undefined : offsets;
    return { dropped: BigInt(await this.#events.drop(stream, { group, offsets: some, namespace })) };
  }

  /** Ends followers and consumers, which by themselves would last for ever, so that their server can stop. */
  stop(): void {
    this.#stopping.abort();
  }

  /** The end of a stream as an offset, which means the same when the follower asks again after a break. */
  async #position(
    stream: string,
    { from, namespace }: { readonly from: Position; readonly namespace: string },
  ): Promise<Position> {
    if (from !== 'newest') return from;
    const [found] = await this.#events.streams({ stream, namespace });
    // Of a stream that holds nothing, whatever comes is new.
    return { offset: (found?.newest ?? 0n) + 1n };
  }
}

function stopping(): MicroError {
  return new MicroError('unavailable', 'the events stop here: come again', { id: 'broker' });
}
