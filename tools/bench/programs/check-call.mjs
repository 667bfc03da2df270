import grpc from '@grpc/grpc-js';
import { helloworld } from '../peers/grpc-definition.mjs';

/** Resolves once an address answers the call with the right message: h2load looks at no answer. */
export async function checkCall(address, timeout = 15_000) {
  const client = new helloworld.Helloworld(address, grpc.credentials.createInsecure());
  const end = Date.now() + timeout;
  try {
    for (;;) {
      const answer = await new Promise((resolve) =>
        client.Call({ name: 'Alice' }, (error, response) => resolve(error ?? response)),
      );
      if (answer.msg === 'Hello Alice') return;
      if (Date.now() > end) throw new Error(`${address} answers ${JSON.stringify(answer)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  } finally {
    client.close();
  }
}
