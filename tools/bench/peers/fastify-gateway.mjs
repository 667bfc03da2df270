/** A gateway that somebody writes by hand: Fastify in front, grpc-js behind. */
import grpc from '@grpc/grpc-js';
import fastify from 'fastify';
import { helloworld } from './grpc-definition.mjs';

const [port, target] = process.argv.slice(2).map(Number);
const client = new helloworld.Helloworld(`127.0.0.1:${target}`, grpc.credentials.createInsecure());
const app = fastify();
app.post(
  '/helloworld/call',
  (request) =>
    new Promise((resolve, reject) =>
      client.Call(request.body, (error, response) => (error ? reject(error) : resolve(response))),
    ),
);
await app.listen({ port, host: '127.0.0.1' });
