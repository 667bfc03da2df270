import { Agent, type IncomingMessage, request as httpRequest } from 'node:http';
import { connect } from 'node:http2';
import { setTimeout as sleep } from 'node:timers/promises';
import { status, type StatusObject } from '@grpc/grpc-js';
import { Metrics } from '@micro/telemetry';
import { freePort, until } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Handlers } from '../handler.js';
import {
  bidiStream,
  clientStream,
  outcome,
  plainClient,
  type PlainClient,
  serverStream,
  unary,
} from './grpc-client.fixture.js';
import { Kitchen, http2Lanes, openKitchen, type Seen } from './kitchen.fixture.js';
import { RpcServer } from './server.js';

describe.each(http2Lanes)('on %s', (_lane, lane) => {
  const open = (options: Parameters<typeof openKitchen>[0] = {}, seen?: Parameters<typeof openKitchen>[1]) =>
    openKitchen({ ...lane, ...options }, seen);

  const inFlight = (metrics: Metrics, calls: number) =>
    until(`${calls} calls are in flight`, () => metrics.inFlight('server') === calls);
  const json = { 'content-type': 'application/json' };
  const cook = (address: string, name: string) =>
    fetch(`http://${address}/kitchen.v1.Kitchen/Cook`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ name }),
    });

  describe('closing', () => {
    it('finishes what has begun, in both lanes, and takes nothing new', async () => {
      const seen: Seen = { aborted: [], finished: 0 };
      const metrics = new Metrics();
      const server = await open({ metrics }, seen);
      const client = plainClient(Kitchen, server.address);
      await unary(client, 'Cook', {});
      const running = [
        cook(server.address, 'slow').then((answer) => answer.json()),
        unary(client, 'Cook', { name: 'slow' }),
      ];
      await inFlight(metrics, 2);
      const closed = server.close({ graceMs: 10_000 });
      const [overConnect, overGrpc] = await Promise.all(running);
      expect(overConnect).toEqual({ name: 'slow' });
      expect(overGrpc).toMatchObject({ status: { code: status.OK } });
      await closed;
      expect(seen.finished).toBe(2);
      await expect(cook(server.address, 'late')).rejects.toThrow();
      client.close();
    });

    it('ends idle connections at once, and busy ones with their answer', async () => {
      const metrics = new Metrics();
      const server = await open({ metrics });
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const ask = (name: string) =>
        new Promise<string | undefined>((resolve, reject) => {
          const request = httpRequest(
            `http://${server.address}/kitchen.v1.Kitchen/Cook`,
            { method: 'POST', headers: json, agent },
            (response) => {
              response.resume();
              response.on('end', () => resolve(response.headers.connection));
            },
          );
          request.once('error', reject);
          request.end(JSON.stringify({ name }));
        });
      expect(await ask('Alice')).toBe('keep-alive');
      const slow = ask('slow');
      await inFlight(metrics, 1);
      const before = Date.now();
      const closed = server.close();
      expect(await slow).toBe('close');
      await closed;
      expect(Date.now() - before).toBeLessThan(4000);
      agent.destroy();
    });

    it('aborts with unavailable what outlives the grace', async () => {
      const seen: Seen = { aborted: [], finished: 0 };
      const metrics = new Metrics();
      const server = await open({ metrics }, seen);
      const client = plainClient(Kitchen, server.address);
      const stream = bidiStream(client, 'Banquet');
      const ended = outcome(stream);
      stream.write({ name: 'a' });
      await new Promise((resolve) => stream.once('data', resolve));
      const waiting = cook(server.address, 'wait');
      await inFlight(metrics, 2);
      await server.close({ graceMs: 100 });
      const answer = await waiting;
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({ code: 'unavailable', message: expect.stringContaining('stopping') });
      expect((await ended).status.code).toBe(status.UNAVAILABLE);
      expect(seen.aborted.map(({ code }) => code)).toEqual(['unavailable', 'unavailable']);
      client.close();
    });

    describe('does not wait all of its grace for a stream whose handler ends never and heeds nothing', () => {
      const forever = () => new Promise<never>(() => undefined);
      const deaf: Handlers<typeof Kitchen> = {
        async cook() {
          await sleep(1_800);
          return { name: 'slow' };
        },
        async *courses() {
          for (let course = 0; course < 20; course++) yield { name: 'x'.repeat(30_000) };
          await forever();
        },
        stew: forever,
        async *banquet(orders) {
          for await (const { name } of orders) yield { name };
          await forever();
        },
      };
      const grace = { graceMs: 4_000 };
      let server: RpcServer;
      let client: PlainClient;
      const metrics = new Metrics();
      beforeEach(async () => {
        server = new RpcServer({ name: 'kitchen', metrics }).add(Kitchen, deaf);
        await server.listen();
        client = plainClient(Kitchen, server.address);
      });
      afterEach(async () => {
        client.close();
        await server.close();
      });

      const stopped = { code: status.UNAVAILABLE, details: expect.stringContaining('stopping') };
      const closesEarly = async (ended: Promise<{ status: StatusObject }>) => {
        await inFlight(metrics, 1);
        const before = Date.now();
        const closed = server.close(grace);
        expect((await ended).status).toMatchObject(stopped);
        await closed;
        expect(Date.now() - before).toBeLessThan(grace.graceMs * 0.7);
        expect(metrics.inFlight('server')).toBe(0);
      };

      it('of responses', () => closesEarly(outcome(serverStream(client, 'Courses', {}))));

      it('of requests, which the caller does not end', async () => {
        const ended = new Promise<{ status: StatusObject }>((resolve) => {
          clientStream(client, 'Stew', () => undefined)
            .on('status', (end: StatusObject) => resolve({ status: end }))
            .write({ name: 'a' });
        });
        await closesEarly(ended);
      });

      it('both ways, ended or not by the caller', async () => {
        const open = bidiStream(client, 'Banquet');
        const half = bidiStream(client, 'Banquet');
        open.write({ name: 'a' });
        half.write({ name: 'b' });
        half.end();
        const ended = Promise.all([outcome(open), outcome(half)]);
        await inFlight(metrics, 2);
        const before = Date.now();
        await server.close(grace);
        for (const { messages, status: end } of await ended) {
          expect(messages).toHaveLength(1);
          expect(end).toMatchObject(stopped);
        }
        expect(Date.now() - before).toBeLessThan(grace.graceMs * 0.7);
      });

      it('while unary calls have all of it', async () => {
        const stream = outcome(serverStream(client, 'Courses', {}));
        const slow = Promise.all([
          unary(client, 'Cook', {}),
          cook(server.address, 'any').then((answer) => answer.json()),
        ]);
        await inFlight(metrics, 3);
        const closed = server.close(grace);
        expect((await stream).status).toMatchObject(stopped);
        expect(metrics.inFlight('server')).toBe(2);
        const [overGrpc, overConnect] = await slow;
        expect(overGrpc.messages).toMatchObject([{ name: 'slow' }]);
        expect(overConnect).toEqual({ name: 'slow' });
        await closed;
      });

      it.each(['Banquet', 'Courses'])('nor for callers that neither read nor end: %s', async (method) => {
        const session = connect(`http://${server.address}`);
        const stream = session.request({
          ':method': 'POST',
          ':path': `/kitchen.v1.Kitchen/${method}`,
          'content-type': 'application/grpc',
          te: 'trailers',
        });
        stream.on('error', () => undefined);
        session.on('error', () => undefined);
        stream.write(Buffer.from([0, 0, 0, 0, 0]));
        if (method === 'Courses') stream.end();
        await inFlight(metrics, 1);
        const before = Date.now();
        await server.close(grace);
        expect(Date.now() - before).toBeLessThan(grace.graceMs * 0.7);
        session.destroy();
      });
    });

    it('tells who is still sending that the call was not processed', async () => {
      const metrics = new Metrics();
      const server = await open({ metrics });
      const answer = new Promise<IncomingMessage>((resolve) => {
        const request = httpRequest(
          `http://${server.address}/kitchen.v1.Kitchen/Cook`,
          { method: 'POST', headers: { ...json, 'content-length': 100 } },
          resolve,
        );
        request.on('error', () => undefined);
        request.write('{"name":');
      });
      const running = cook(server.address, 'wait');
      await inFlight(metrics, 2);
      await server.close({ graceMs: 50 });
      expect(await answer).toMatchObject({ statusCode: 503, headers: { 'micro-not-processed': 'true' } });
      // The handler of this one has begun.
      expect((await running).status).toBe(503);
      expect((await running).headers.has('micro-not-processed')).toBe(false);
    });

    it('lets routes of the app finish, too', async () => {
      let asked = false;
      const server = await open({
        http: (_request, response) => {
          asked = true;
          setTimeout(() => response.end('at last'), 900);
          return true;
        },
      });
      const answer = fetch(`http://${server.address}/slow`).then((response) => response.text());
      await until('it was asked', () => asked);
      await server.close({ graceMs: 10_000 });
      expect(await answer).toBe('at last');
    });

    it('sends GOAWAY to clients of HTTP/2', async () => {
      const server = await open();
      const session = connect(`http://${server.address}`);
      await new Promise((resolve) => session.once('remoteSettings', resolve));
      const told = new Promise((resolve) => session.once('goaway', resolve));
      await server.close();
      expect(await told).toBe(0);
    });

    it('twice is once, and before listening is nothing', async () => {
      const server = await open();
      expect(server.close()).toBe(server.close());
      await server.close();
      await new RpcServer({ name: 'never' }).close();
    });

    it('leaves no handle behind', async () => {
      const server = await open();
      const client = plainClient(Kitchen, server.address);
      await unary(client, 'Cook', { name: 'Alice' });
      await cook(server.address, 'Alice');
      client.close();
      await server.close();
      const port = Number(server.address.split(':')[1]);
      await until('the port is free', async () => {
        const again = new RpcServer({ name: 'again', port });
        await again.listen();
        await again.close();
        return true;
      });
    });
  });

  describe('listening', () => {
    it('says which port is taken', async () => {
      await using server = await open();
      const second = new RpcServer({ name: 'second', port: Number(server.address.split(':')[1]) });
      await expect(second.listen()).rejects.toMatchObject({
        code: 'unavailable',
        detail: expect.stringContaining(server.address),
      });
    });

    it('says which address is not there', async () => {
      const server = new RpcServer({ name: 'far', host: '203.0.113.1', port: await freePort() });
      await expect(server.listen()).rejects.toMatchObject({ code: 'invalid_argument' });
    });
  });
});
