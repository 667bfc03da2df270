import { Events, EventsHandlers } from '@micro/broker';
import type { eventsProto } from '@micro/proto';
import type { CallContext, Metadata } from '@micro/rpc';
import { Controller } from '@nestjs/common';
import { GrpcMethod, GrpcStreamMethod } from '@nestjs/microservices';

@Controller()
export class EventsController {
  readonly #handlers: EventsHandlers;

  constructor(events: Events) {
    this.#handlers = new EventsHandlers(events);
  }

  @GrpcMethod('Events', 'Publish')
  publish(request: eventsProto.PublishEventRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.publish(request, context);
  }

  @GrpcMethod('Events', 'Read')
  read(request: eventsProto.ReadEventsRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.read(request, context);
  }

  @GrpcMethod('Events', 'Follow')
  follow(request: eventsProto.FollowEventsRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.follow(request, context);
  }

  @GrpcStreamMethod('Events', 'Consume')
  consume(requests: AsyncIterable<eventsProto.ConsumeRequest>, _metadata: Metadata, context: CallContext) {
    return this.#handlers.consume(requests, context);
  }

  @GrpcMethod('Events', 'Streams')
  streams(request: eventsProto.StreamsRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.streams(request, context);
  }

  @GrpcMethod('Events', 'DeadLetters')
  deadLetters(request: eventsProto.DeadLettersRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.deadLetters(request, context);
  }

  @GrpcMethod('Events', 'Replay')
  replay(request: eventsProto.ReplayRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.replay(request, context);
  }

  @GrpcMethod('Events', 'Drop')
  drop(request: eventsProto.DropRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.drop(request, context);
  }

  /** Called when the process is about to stop. */
  stop(): void {
    this.#handlers.stop();
  }
}
