/** A service on grpc-js, as its own examples write it. */
import grpc from '@grpc/grpc-js';
import { helloworld } from './grpc-definition.mjs';

const server = new grpc.Server();
server.addService(helloworld.Helloworld.service, {
  Call: ({ request }, callback) => callback(null, { msg: `Hello ${request.name}` }),
});
server.bindAsync(`127.0.0.1:${process.argv[2]}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
