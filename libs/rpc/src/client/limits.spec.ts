import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { Echo, echoSchema } from './echo.fixture.js';
import { failure, Rig } from './rig.fixture.js';

const note = echoSchema.message('echo.Note');
const rig = new Rig();
afterEach(() => rig.close());

describe('limits', () => {
  it('refuses a request that is too large, unsent, and an answer', async () => {
    const server = await rig.serve({ look: () => ({ text: 'x'.repeat(5_000) }) }, { limits: { messageBytes: 1e6 } });
    const echo = rig.client(server.address, { limits: { messageBytes: 1_000 } }).of(Echo);
    const large = await failure(echo.say({ text: 'x'.repeat(2_000) }));
    expect(large).toMatchObject({
      code: 'resource_exhausted',
      detail: expect.stringMatching(/request is larger than 1000 bytes/),
    });
    const answer = await failure(echo.look({}));
    expect(answer).toMatchObject({
      code: 'resource_exhausted',
      detail: expect.stringMatching(/answer is larger than 1000 bytes/),
    });
    expect(await echo.say({ text: 'fine' })).toMatchObject({ text: 'fine' });
  });

  it('refuses calls beyond those that may be under way', async () => {
    let release = () => undefined as void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const server = await rig.serve({ say: (request) => gate.then(() => request) });
    const echo = rig.client(server.address, { limits: { concurrentCalls: 3 } }).of(Echo);
    const calls = [1, 2, 3].map(() => echo.say({}));
    expect(await failure(echo.say({}))).toMatchObject({
      code: 'resource_exhausted',
      detail: expect.stringMatching(/3 calls to echo/),
    });
    release();
    await Promise.all(calls);
    await echo.say({});
  });

  it('makes do with the connections that it may have', async () => {
    const connections = new Set<unknown>();
    const address = await rig.http((request, response) => {
      connections.add(request.socket);
      setTimeout(() => response.writeHead(200, { 'content-type': 'application/proto' }).end(), 5);
    });
    const echo = rig.client(address, { limits: { connectionsPerNode: 4 } }).of(Echo);
    await Promise.all(Array.from({ length: 200 }, () => echo.say({})));
    expect(connections.size).toBe(4);
  });

  it('carries a thousand calls at a time', async () => {
    const server = await rig.serve();
    const echo = rig.client(server.address).of(Echo);
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, (_, count) => echo.look({ text: `${count}`, count: 1 }, { timeout: 18_000 })),
    );
    expect(answers.map(({ text }) => text)).toEqual(answers.map((_, index) => `${index}`));
  });
});

describe('compression', () => {
  it('is understood', async () => {
    const address = await rig.http((_request, response) => {
      response
        .writeHead(200, { 'content-type': 'application/proto', 'content-encoding': 'gzip' })
        .end(gzipSync(note.encode({ text: 'small' })));
    });
    expect(await rig.client(address).of(Echo).say({})).toMatchObject({ text: 'small' });
  });

  it('is used where it is asked for', async () => {
    let compressed = false;
    const address = await rig.http((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const body = Buffer.concat(chunks);
        compressed = request.headers['content-encoding'] === 'gzip' && request.headers['accept-encoding'] === 'gzip';
        response.writeHead(200, { 'content-type': 'application/proto' }).end(compressed ? gunzipSync(body) : body);
      });
    });
    const echo = rig.client(address, { compressFrom: 100 }).of(Echo);
    expect(await echo.say({ text: 'x'.repeat(1000) })).toMatchObject({ text: 'x'.repeat(1000) });
    expect(compressed).toBe(true);
    await echo.say({ text: 'x' });
    expect(compressed).toBe(false);
  });

  it('does not get round the limit', async () => {
    const address = await rig.http((_request, response) => {
      response
        .writeHead(200, { 'content-type': 'application/proto', 'content-encoding': 'gzip' })
        .end(gzipSync(Buffer.alloc(1_000_000)));
    });
    expect(
      (
        await failure(
          rig
            .client(address, { limits: { messageBytes: 10_000 } })
            .of(Echo)
            .say({}),
        )
      ).code,
    ).toBe('resource_exhausted');
  });
});
