import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { currentCall, enableCallScope } from '../call-scope.js';
import { bidiStream, outcome, plainClient } from './grpc-client.fixture.js';
import { Kitchen } from './kitchen.fixture.js';
import { RpcServer } from './server.js';

const cook = (address: string, name: string) =>
  fetch(`http://${address}/kitchen.v1.Kitchen/Cook`, { method: 'POST', headers: { 'content-type': 'application/json', 'micro-namespace': name }, body: '{}' });

const handlers = {
  async cook() {
    const first = currentCall()?.namespace;
    await sleep(5);
    return { name: `${first} ${currentCall()?.namespace}` };
  },
  async *banquet(orders: AsyncIterable<unknown>) {
    for await (const _order of orders) {
      await sleep(1);
      yield { name: currentCall()?.method.name };
    }
  },
};

it('is not kept where nobody needs it', async () => {
  await using server = Object.assign(new RpcServer({ name: 'kitchen' }).add(Kitchen, handlers), { [Symbol.asyncDispose]: () => server.close() });
  await server.listen();
  expect(await (await cook(server.address, 'a')).json()).toEqual({ name: 'undefined undefined' });
});

it("is each handler's own, in both lanes, behind interceptors", async () => {
  enableCallScope();
  await using server = Object.assign(new RpcServer({ name: 'kitchen', intercept: (_context, proceed) => proceed() }).add(Kitchen, handlers), {
    [Symbol.asyncDispose]: () => server.close(),
  });
  await server.listen();
  const names = ['a', 'b', 'c', 'd'];
  const answers = await Promise.all(names.map(async (name) => (await cook(server.address, name)).json()));
  expect(answers).toEqual(names.map((name) => ({ name: `${name} ${name}` })));
  const client = plainClient(Kitchen, server.address);
  const call = bidiStream(client, 'Banquet');
  call.write({});
  call.write({});
  call.end();
  expect((await outcome(call)).messages.map(({ name }) => name)).toEqual(['Banquet', 'Banquet']);
  expect(currentCall()).toBeUndefined();
  client.close();
});
