import { type AppOptions, defaultPorts } from '@micro/platform';
import { ApiModule } from './api.module.js';
import { EdgeServer } from './edge-server.js';

/** The gateway as libs/platform runs it. */
export const apiApp: AppOptions = {
  name: 'api',
  module: ApiModule,
  port: defaultPorts.api,
  listener: (find, address) => find(EdgeServer).at(address),
};
