/** A service that calls another through grpc-js, 16 calls in flight. Prints calls a second. */
import grpc from '@grpc/grpc-js';
import { helloworld } from './grpc-definition.mjs';
import { measureCalls } from '../programs/measure-calls.mjs';

const [target, seconds] = process.argv.slice(2).map(Number);
const client = new helloworld.Helloworld(`127.0.0.1:${target}`, grpc.credentials.createInsecure());
const call = () =>
  new Promise((resolve, reject) =>
    client.Call({ name: 'Alice' }, (error, response) => (error ? reject(error) : resolve(response))),
  );
console.log(JSON.stringify({ rate: await measureCalls(call, { inFlight: 16, seconds }) }));
client.close();
