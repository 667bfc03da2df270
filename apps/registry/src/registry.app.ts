import { type AppOptions, defaultPorts } from '@micro/platform';
import { registryProto } from '@micro/proto';
import { Module } from '@nestjs/common';
import { RegistryController } from './registry.controller.js';

@Module({ controllers: [RegistryController] })
class RegistryModule {}

/** The registry as libs/platform runs it. */
export const registryApp: AppOptions = {
  name: 'registry',
  module: RegistryModule,
  services: [registryProto.Registry],
  port: defaultPorts.registry,
  // Who registered through this process renews it, and shall not notice a restart.
  keepRegistrations: true,
  stopping: async (find) => find(RegistryController).stop(),
};
