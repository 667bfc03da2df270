import { runtimeProto } from '@micro/proto';
import { Client, fixedTargets, RpcServer } from '@micro/rpc';
import {
  fromCreateRequest,
  fromLogsRequest,
  fromUpdateRequest,
  toLogMessage,
  toMessage,
  toProgressMessage,
} from './messages.js';
import { openRuntime } from './open.js';
import { runtimeContract } from './runtime.contract.js';

const timing = { settle: 500, grace: 3_000, debounce: 50, restart: { minDelay: 20, maxDelay: 200 } };

runtimeContract('remote', { folders: true, commands: true, watch: true }, async (home) => {
  const behind = await openRuntime({ adapter: 'process', home, env: process.env, timing });
  const server = new RpcServer({ name: 'runtime', host: '127.0.0.1', port: 0 });
  server.add(runtimeProto.Runtime, {
    create: (request, { namespace }) =>
      mapped(behind.create(fromCreateRequest(request), { namespace }), toProgressMessage),
    read: async ({ name }, { namespace }) => ({
      services: (await behind.read({ name }, { namespace })).map(toMessage),
    }),
    update: (request, { namespace }) =>
      mapped(behind.update(fromUpdateRequest(request), { namespace }), toProgressMessage),
    delete: async ({ name }, { namespace }) => {
      await behind.delete(name, { namespace });
      return {};
    },
    logs: (request, { namespace, signal }) =>
      mapped(behind.logs(fromLogsRequest(request), { namespace, signal }), toLogMessage),
  });
  await server.listen();
  const client = new Client({ discovery: fixedTargets(server.address) });
  const runtime = await openRuntime({ adapter: 'remote', client });
  return {
    runtime,
    close: async () => {
      await runtime.close();
      await client.close();
      await server.close({ graceMs: 0 });
      await behind.close();
    },
  };
});

async function* mapped<A, B>(values: AsyncIterable<A>, map: (value: A) => B): AsyncGenerator<B> {
  for await (const value of values) yield map(value);
}
