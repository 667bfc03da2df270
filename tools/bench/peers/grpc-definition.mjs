import grpc from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

export const proto = new URL('../helloworld.proto', import.meta.url).pathname;
export const { helloworld } = grpc.loadPackageDefinition(loadSync(proto));
