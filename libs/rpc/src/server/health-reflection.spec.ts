import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { Metrics } from '@micro/telemetry';
import { haveTool, toolPath, until } from '@micro/testing';
import { parseSchema } from '@micro/proto';
import { describe, expect, it } from 'vitest';
import { healthService } from './health.js';
import { bidiStream, outcome, plainClient, serverStream, unary } from './grpc-client.fixture.js';
import { http2Lanes, openKitchen } from './kitchen.fixture.js';
import { reflectionService, reflectionVersions } from './reflection.js';

describe.each(http2Lanes)('on %s', (_lane, lane) => {
  const open = (options: Parameters<typeof openKitchen>[0] = {}, seen?: Parameters<typeof openKitchen>[1]) =>
    openKitchen({ ...lane, ...options }, seen);

  const grpcurl = { name: 'grpcurl', go: 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3' };

  describe('probes over HTTP', () => {
    it('tell alive from ready, and give metrics where they are kept', async () => {
      await using server = await open({ metrics: new Metrics() });
      const get = (path: string) => fetch(`http://${server.address}${path}`);
      expect((await get('/healthz')).status).toBe(200);
      expect((await get('/readyz')).status).toBe(200);
      server.setServing(false);
      expect((await get('/healthz')).status).toBe(200);
      expect((await get('/readyz')).status).toBe(503);
      const metrics = await get('/metrics');
      expect(metrics.headers.get('content-type')).toContain('version=0.0.4');
      expect(await metrics.text()).toContain('process_cpu_seconds_total');
      await using bare = await open();
      expect((await fetch(`http://${bare.address}/metrics`)).status).toBe(404);
    });

    it('go before the routes of the app, and methods before both', async () => {
      const paths: string[] = [];
      await using server = await open({
        http: ({ url }, response) => {
          paths.push(url as string);
          response.end('mine');
          return true;
        },
      });
      expect(await (await fetch(`http://${server.address}/anything?x=1`)).text()).toBe('mine');
      await fetch(`http://${server.address}/healthz`);
      await fetch(`http://${server.address}/kitchen.v1.Kitchen/Menu`);
      expect(paths).toEqual(['/anything?x=1']);
    });
  });

  describe('gRPC health', () => {
    it('answers for the server and for each service', async () => {
      await using server = await open();
      const client = plainClient(healthService(), server.address);
      const check = async (service: string) => (await unary(client, 'Check', { service })).messages[0]?.['status'];
      expect([await check(''), await check('kitchen.v1.Kitchen')]).toEqual([1, 1]);
      server.setServing(false);
      expect(await check('kitchen.v1.Kitchen')).toBe(2);
      expect((await unary(client, 'Check', { service: 'garden' })).status.code).toBe(status.NOT_FOUND);
      client.close();
    });

    it('is watched until the server stops', async () => {
      const server = await open();
      const client = plainClient(healthService(), server.address);
      const states: unknown[] = [];
      const known = serverStream(client, 'Watch', { service: '' });
      known.on('data', ({ status: state }) => states.push(state));
      const unknown = serverStream(client, 'Watch', { service: 'garden' });
      const first = new Promise((resolve) => unknown.once('data', ({ status: state }) => resolve(state)));
      expect(await first).toBe(3);
      unknown.on('error', () => undefined).cancel();
      await until('the first state is there', () => states.length === 1);
      server.setServing(false);
      await until('the change is there', () => states.length === 2);
      server.setServing(true);
      await until('the next change is there', () => states.length === 3);
      const ended = outcome(known);
      await server.close();
      expect((await ended).status.code).toBe(status.OK);
      expect(states).toEqual([1, 2, 1, 2]);
      client.close();
    });

    it('answers to curl, too', async () => {
      await using server = await open();
      const answer = await fetch(`http://${server.address}/grpc.health.v1.Health/Check`, {
        method: 'POST',
        body: '{}',
        headers: { 'content-type': 'application/json' },
      });
      expect(await answer.json()).toEqual({ status: 'SERVING' });
    });
  });

  describe.each(reflectionVersions)('reflection %s', (version) => {
    it('answers every question', async () => {
      await using server = await open();
      const client = plainClient(reflectionService(version), server.address);
      const ask = async (...requests: object[]) => {
        const call = bidiStream(client, 'ServerReflectionInfo');
        for (const request of requests) call.write(request);
        call.end();
        return (await outcome(call)).messages as Record<
          string,
          { errorCode?: number; service?: { name: string }[]; fileDescriptorProto?: Uint8Array[] }
        >[];
      };
      const [list, file, symbol, unknown, extension] = await ask(
        { listServices: '' },
        { fileByFilename: 'kitchen/v1/kitchen.proto' },
        { fileContainingSymbol: 'kitchen.v1.Kitchen.Cook' },
        { fileContainingSymbol: 'kitchen.v1.Garden' },
        { allExtensionNumbersOfType: 'kitchen.v1.Order' },
      );
      expect(list?.['listServicesResponse']?.service?.map(({ name }) => name)).toEqual([
        'grpc.health.v1.Health',
        'grpc.reflection.v1.ServerReflection',
        'grpc.reflection.v1alpha.ServerReflection',
        'kitchen.v1.Kitchen',
      ]);
      expect(
        Buffer.from(file?.['fileDescriptorResponse']?.fileDescriptorProto?.[0] as Uint8Array).toString('latin1'),
      ).toContain('kitchen/v1/kitchen.proto');
      expect(symbol?.['fileDescriptorResponse']?.fileDescriptorProto).toEqual(
        file?.['fileDescriptorResponse']?.fileDescriptorProto,
      );
      expect(unknown?.['errorResponse']?.errorCode).toBe(status.NOT_FOUND);
      expect(extension?.['allExtensionNumbersResponse']).toMatchObject({
        baseTypeName: 'kitchen.v1.Order',
        extensionNumber: [],
      });
      client.close();
    });
  });

  it('describes several services that share file names', async () => {
    await using server = await open();
    const other = parseSchema({
      'kitchen/v1/kitchen.proto':
        'syntax = "proto3"; package bar; import "google/protobuf/empty.proto"; service Bar { rpc Serve(google.protobuf.Empty) returns (google.protobuf.Empty); }',
    });
    server.add(other.service('bar.Bar'), {});
    const client = plainClient(reflectionService('v1'), server.address);
    const call = bidiStream(client, 'ServerReflectionInfo');
    call.write({ fileContainingSymbol: 'bar.Bar' });
    call.end();
    const [answer] = (await outcome(call)).messages as Record<string, { fileDescriptorProto: Uint8Array[] }>[];
    const files = answer?.['fileDescriptorResponse']?.fileDescriptorProto.map((bytes) =>
      Buffer.from(bytes).toString('latin1'),
    ) as string[];
    expect(files[0]).toContain('Bar');
    expect(files.some((file) => file.includes('google/protobuf/empty.proto'))).toBe(true);
    client.close();
  });

  describe.runIf(haveTool(grpcurl))('grpcurl', () => {
    const run = async (...args: string[]) =>
      (await promisify(execFile)('grpcurl', ['-plaintext', ...args], { env: { ...process.env, PATH: toolPath() } }))
        .stdout;

    it('lists, describes and calls by reflection', async () => {
      await using server = await open();
      expect(await run(server.address, 'list')).toContain('kitchen.v1.Kitchen\n');
      const described = await run(server.address, 'describe', 'kitchen.v1.Kitchen');
      expect(described).toContain('// Cooks what it is told.');
      expect(described).toContain('rpc Banquet ( stream .kitchen.v1.Order ) returns ( stream .kitchen.v1.Dish );');
      expect(await run(server.address, 'describe', 'kitchen.v1.Order')).toContain('map<string, string> notes = 3;');
      expect(JSON.parse(await run('-d', '{"name":"Alice"}', server.address, 'kitchen.v1.Kitchen/Cook'))).toEqual({
        name: 'Hello Alice',
      });
      expect(await run('-d', '{"name":"a"} {"name":"b"}', server.address, 'kitchen.v1.Kitchen/Banquet')).toContain(
        'Hello b',
      );
      expect(JSON.parse(await run(server.address, 'grpc.health.v1.Health/Check'))).toEqual({ status: 'SERVING' });
    });
  });
});
