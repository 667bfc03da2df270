import { type AppOptions, defaultPorts, formatAddress, onLoopback, otherVariables, Platform } from '@micro/platform';
import { runtimeProto } from '@micro/proto';
import { openRuntime, Runtime } from '@micro/runtime';
import { MicroError } from '@micro/errors';
import { Module } from '@nestjs/common';
import { RuntimeController } from './runtime.controller.js';

@Module({ controllers: [RuntimeController], providers: [{ provide: Runtime, useFactory: open, inject: [Platform] }] })
class RuntimeModule {}

/** The runtime as libs/platform runs it. */
export const runtimeApp: AppOptions = {
  name: 'runtime',
  module: RuntimeModule,
  services: [runtimeProto.Runtime],
  port: defaultPorts.runtime,
  // At once, and not after the calls: who follows a log would keep it waiting.
  stopping: (find) => find(Runtime).close(),
};

function open({ config, environment, registry, logger }: Platform): Promise<Runtime> {
  const { address = onLoopback(0), region, zone, registryAddress, proxyAddress } = environment;
  if (config.runtime.adapter === 'remote') {
    throw new MicroError(
      'invalid_argument',
      'MICRO_RUNTIME=remote is for those who call this app; leave it out, or set MICRO_PROFILE=local',
    );
  }
  const variables = {
    // Where this process listens others can reach: on loopback on a laptop, in a container at its own address.
    MICRO_ADDRESS: formatAddress({ ...address, port: 0 }),
    MICRO_REGISTRY_ADDRESS: formatAddress(registryAddress ?? onLoopback(defaultPorts.registry)),
    MICRO_PROXY_ADDRESS: formatAddress(proxyAddress),
    MICRO_REGION: region,
    MICRO_ZONE: zone,
    MICRO_LOG_LEVEL: config.log.level,
    MICRO_LOG_FORMAT: config.log.format,
  };
  return openRuntime({ ...config.runtime, env: otherVariables(), variables, registry, logger });
}
