import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { currentCall, enableCallScope, inTurns, runInScope } from '../call-scope.js';
import { Metadata } from '../metadata.js';
import { bidiStream, outcome, plainClient } from './grpc-client.fixture.js';
import { Kitchen } from './kitchen.fixture.js';
import { RpcServer } from './server.js';

const cook = (address: string, name: string) =>
  fetch(`http://${address}/kitchen.v1.Kitchen/Cook`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'micro-namespace': name },
    body: '{}',
  });

const handlers = {
  async cook() {
    const first = currentCall()?.namespace;
    await sleep(5);
    return { name: `${first} ${currentCall()?.namespace}` };
  },
  async *banquet(orders: AsyncIterable<unknown>) {
    for await (const _order of orders) {
      await sleep(1);
      yield { name: currentCall()?.method?.name };
    }
  },
};

it('is not kept where nobody needs it', async () => {
  await using server = Object.assign(new RpcServer({ name: 'kitchen' }).add(Kitchen, handlers), {
    [Symbol.asyncDispose]: () => server.close(),
  });
  await server.listen();
  expect(await (await cook(server.address, 'a')).json()).toEqual({ name: 'undefined undefined' });
});

it("is each handler's own, in both lanes, behind interceptors", async () => {
  enableCallScope();
  await using server = Object.assign(
    new RpcServer({ name: 'kitchen', intercept: (_context, proceed) => proceed() }).add(Kitchen, handlers),
    {
      [Symbol.asyncDispose]: () => server.close(),
    },
  );
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

describe('the turns of a loop', () => {
  const scope = (namespace: string) => ({ namespace, metadata: new Metadata() });
  const here = () => currentCall()?.namespace;
  async function* letters() {
    for (const letter of 'abc') {
      await sleep(1);
      yield letter;
    }
  }
  const turns = () => inTurns(letters(), scope);

  it('belong to their items, what they begin included, and what comes after the loop does not', async () => {
    const begun: Promise<string | undefined>[] = [];
    const seen = await runInScope(scope('outer'), async () => {
      const inside: unknown[] = [];
      for await (const letter of turns()) {
        inside.push([letter, here()]);
        await sleep(1);
        inside.push(here());
        begun.push(sleep(20).then(here));
      }
      return [inside, here()];
    });
    expect(seen).toEqual([[['a', 'a'], 'a', ['b', 'b'], 'b', ['c', 'c'], 'c'], 'outer']);
    expect(await Promise.all(begun)).toEqual(['a', 'b', 'c']);
  });

  it('are over after a break', async () => {
    for await (const letter of turns()) {
      expect(here()).toBe(letter);
      break;
    }
    expect(here()).toBeUndefined();
  });

  it('of two loops side by side are not each other’s, nor those of who began them', async () => {
    const seen: unknown[] = [];
    const loop = async (name: string) => {
      for await (const letter of inTurns(letters(), (one) => scope(name + one))) {
        await sleep(2);
        seen.push(here() === name + letter);
      }
    };
    const loops = [loop('x'), loop('y')];
    // Every millisecond of the loops, where they were begun.
    for (let n = 0; n < 10; n++, await sleep(1)) expect(here()).toBeUndefined();
    await Promise.all(loops);
    expect(seen).toEqual(Array.from({ length: 6 }, () => true));
    expect(here()).toBeUndefined();
  });
});
