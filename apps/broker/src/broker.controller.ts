import { Broker, BrokerHandlers } from '@micro/broker';
import type { brokerProto } from '@micro/proto';
import type { CallContext, Metadata } from '@micro/rpc';
import { Controller } from '@nestjs/common';
import { GrpcMethod } from '@nestjs/microservices';

@Controller()
export class BrokerController {
  readonly #handlers: BrokerHandlers;

  constructor(broker: Broker) {
    this.#handlers = new BrokerHandlers(broker);
  }

  @GrpcMethod('Broker', 'Publish')
  publish(request: brokerProto.PublishRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.publish(request, context);
  }

  @GrpcMethod('Broker', 'PublishAll')
  publishAll(request: brokerProto.PublishAllRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.publishAll(request, context);
  }

  @GrpcMethod('Broker', 'Subscribe')
  subscribe(request: brokerProto.SubscribeRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.subscribe(request, context);
  }

  @GrpcMethod('Broker', 'Unsubscribe')
  unsubscribe(request: brokerProto.UnsubscribeRequest) {
    return this.#handlers.unsubscribe(request);
  }

  @GrpcMethod('Broker', 'Topics')
  topics(request: brokerProto.TopicsRequest, _metadata: Metadata, context: CallContext) {
    return this.#handlers.topics(request, context);
  }

  /** Called when the process is about to stop. */
  stop(): void {
    this.#handlers.stop();
  }
}
