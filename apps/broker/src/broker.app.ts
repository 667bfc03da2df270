import { type AppOptions, defaultPorts } from '@micro/platform';
import { brokerProto, eventsProto } from '@micro/proto';
import { Module } from '@nestjs/common';
import { BrokerController } from './broker.controller.js';
import { EventsController } from './events.controller.js';

@Module({ controllers: [BrokerController, EventsController] })
class BrokerModule {}

/** The broker as libs/platform runs it: messages and events. */
export const brokerApp: AppOptions = {
  name: 'broker',
  module: BrokerModule,
  services: [brokerProto.Broker, eventsProto.Events],
  fronts: ['broker', 'events'],
  port: defaultPorts.broker,
  stopping: async (find) => {
    find(BrokerController).stop();
    find(EventsController).stop();
  },
};
