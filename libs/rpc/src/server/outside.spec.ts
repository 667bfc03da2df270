import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import {
  createFileRegistry,
  type DescMessage,
  type DescService,
  fromBinary,
  type JsonObject,
  toJson,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { haveTool } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { kitchenSchema, http2Lanes, openKitchen } from './kitchen.fixture.js';
import type { RpcServer } from './server.js';

describe.each(http2Lanes)('on %s', (_lane, lane) => {
  const open = (options: Parameters<typeof openKitchen>[0] = {}, seen?: Parameters<typeof openKitchen>[1]) =>
    openKitchen({ ...lane, ...options }, seen);

  let server: RpcServer & AsyncDisposable;
  beforeAll(async () => {
    server = await open();
  });
  afterAll(() => server.close({ graceMs: 0 }));

  type Calls = Record<string, (request: unknown, options?: object) => Promise<never> & AsyncIterable<never>>;
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, kitchenSchema.descriptorSet()));
  const kitchen = registry.getService('kitchen.v1.Kitchen') as DescService;
  const dish = registry.getMessage('kitchen.v1.Dish') as DescMessage;
  const shown = (message: never) => toJson(dish, message) as JsonObject;

  describe.each(['Connect, JSON', 'Connect, binary', 'Connect, GET', 'gRPC'])('the official client over %s', (lane) => {
    const open = () => {
      const baseUrl = `http://${server.address}`;
      if (lane === 'gRPC') return createGrpcTransport({ baseUrl });
      return createConnectTransport({
        baseUrl,
        httpVersion: '1.1',
        useBinaryFormat: lane !== 'Connect, JSON',
        useHttpGet: lane === 'Connect, GET',
      });
    };
    const client = () => createClient(kitchen, open()) as unknown as Calls;

    it('calls', async () => {
      expect(shown((await client()['cook']?.({ name: 'Alice', count: 9007199254740993n })) as never)).toEqual({
        name: 'Hello Alice',
        count: '9007199254740993',
      });
      expect(shown((await client()['menu']?.({ name: 'Älice' })) as never)).toEqual({ name: 'Hello Älice' });
    });

    it('gets errors with code, metadata and details', async () => {
      const error = await client()['cook']?.({ name: 'burn' }).catch(ConnectError.from);
      expect(error).toMatchObject({ code: Code.FailedPrecondition, rawMessage: 'burnt: 100% ash ☠ \n' });
      expect((error as unknown as ConnectError).metadata.get('retry-after')).toBe('7');
      expect((error as unknown as ConnectError).details).toMatchObject([{ type: 'kitchen.v1.Dish' }]);
    });

    it('has its deadline kept', async () => {
      const error = await client()['cook']?.({ name: 'wait' }, { timeoutMs: 100 }).catch(ConnectError.from);
      expect(error).toMatchObject({ code: Code.DeadlineExceeded });
    });
  });

  it('the official client streams both ways', async () => {
    const banquet = createClient(
      kitchen,
      createGrpcTransport({ baseUrl: `http://${server.address}` }),
    ) as unknown as Calls;
    const guests = async function* () {
      for (const name of ['a', 'b']) yield { name };
    };
    const names: unknown[] = [];
    for await (const message of banquet['banquet']?.(guests()) as AsyncIterable<never>)
      names.push(shown(message)['name']);
    expect(names).toEqual(['Hello a', 'Hello b']);
  });

  describe.runIf(haveTool({ name: 'curl', apt: 'curl' }))('curl', () => {
    const curl = async (...args: string[]) =>
      (await promisify(execFile)('curl', ['-sS', '--max-time', '10', ...args])).stdout;

    it('needs nothing but -d', async () => {
      const url = `${server.address}/kitchen.v1.Kitchen/Cook`;
      expect(await curl(url, '-d', '{"name":"Alice"}')).toBe('{"name":"Hello Alice"}');
      expect(await curl(url, '--json', '{"name":"Alice"}')).toBe('{"name":"Hello Alice"}');
      expect(await curl('--compressed', url, '-d', '{"name":"large","count":5000}')).toBe(
        `{"name":"${'x'.repeat(5000)}"}`,
      );
      expect(await curl(`${server.address}/kitchen.v1.Kitchen/Menu`)).toBe('{"name":"Hello "}');
      expect(await curl('--http2', url, '-d', '{"name":"Alice"}')).toBe('{"name":"Hello Alice"}');
    });

    it('uploads a body over the limit, and reads why it is refused', async () => {
      const answer = await curl(
        '-w',
        '%{http_code}',
        `${server.address}/kitchen.v1.Kitchen/Cook`,
        '-d',
        `{"name":"${'x'.repeat(100_000)}"}`,
      );
      expect(answer).toContain('200');
      await using small = await open({ limits: { messageBytes: 1000 } });
      expect(
        await curl('-w', ' %{http_code}', `${small.address}/kitchen.v1.Kitchen/Cook`, '-d', 'x'.repeat(100_000)),
      ).toMatch(/resource_exhausted.* 429$/);
    });
  });
});
