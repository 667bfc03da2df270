/** A pass-through on grpc-js: bytes in and out, nothing decoded. */
import grpc from '@grpc/grpc-js';

const [port, target] = process.argv.slice(2).map(Number);
const client = new grpc.Client(`127.0.0.1:${target}`, grpc.credentials.createInsecure());
const identity = (bytes) => bytes;
const path = '/helloworld.Helloworld/Call';
const method = {
  path,
  requestStream: false,
  responseStream: false,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
};
const server = new grpc.Server();
server.addService(
  { Call: method },
  {
    Call: ({ request, metadata }, callback) =>
      client.makeUnaryRequest(path, identity, identity, request, metadata, callback),
  },
);
server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
