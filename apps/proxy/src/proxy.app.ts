import { type AppOptions, defaultPorts } from '@micro/platform';
import { ConnectPass } from './connect-pass.js';
import { Described } from './described.js';
import { GrpcPass } from './grpc-pass.js';
import { ProxyModule } from './proxy.module.js';

/** The proxy as libs/platform runs it. */
export const proxyApp: AppOptions = {
  name: 'proxy',
  module: ProxyModule,
  port: defaultPorts.proxy,
  server: (find) => ({
    http: find(ConnectPass).accept,
    http2: find(GrpcPass).accept,
    described: find(Described).services,
  }),
};
