import { type AppOptions, defaultPorts } from '@micro/platform';
import { brokerProto } from '@micro/proto';
import { Module } from '@nestjs/common';
import { BrokerController } from './broker.controller.js';

@Module({ controllers: [BrokerController] })
class BrokerModule {}

/** The broker as libs/platform runs it. */
export const brokerApp: AppOptions = {
  name: 'broker',
  module: BrokerModule,
  services: [brokerProto.Broker],
  port: defaultPorts.broker,
  stopping: async (find) => find(BrokerController).stop(),
};
