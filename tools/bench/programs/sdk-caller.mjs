/** A service that calls another through the SDK's client, 16 calls in flight. Prints calls a second. */
import { client, close } from '@micro/service';
import { Helloworld } from '../../../examples/helloworld/dist/proto/helloworld.micro.js';
import { measureCalls } from './measure-calls.mjs';

const helloworld = client(Helloworld);
const rate = await measureCalls(() => helloworld.call({ name: 'Alice' }), {
  inFlight: 16,
  seconds: Number(process.argv[2]),
});
console.log(JSON.stringify({ rate }));
await close();
