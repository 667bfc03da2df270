import { MicroError } from '@micro/errors';
import { until } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import type { Metadata } from '../metadata.js';
import { Client } from './client.js';
import { Echo, echoSchema, Nodes } from './echo.fixture.js';
import { collect, failure, Rig } from './rig.fixture.js';

const note = echoSchema.message('echo.Note');
const rig = new Rig();
afterEach(() => rig.close());

describe('streams', () => {
  it('go both ways in all kinds', async () => {
    const echo = rig.client((await rig.serve()).address).of(Echo);
    expect(await echo.up([{ count: 1 }, { count: 2 }])).toMatchObject({ count: 3 });
    expect((await collect(echo.down({ count: 3 }))).map(({ count }) => count)).toEqual([0, 1, 2]);
    async function* notes() {
      for (const text of ['a', 'b', 'c']) yield { text };
    }
    expect((await collect(echo.both(notes()))).map(({ text }) => text)).toEqual(['a', 'b', 'c']);
  });

  it('answer each message before the next is sent', async () => {
    const echo = rig.client((await rig.serve()).address).of(Echo);
    const heard: string[] = [];
    let next: (() => void) | undefined;
    async function* notes() {
      for (const text of ['ping', 'ping again']) {
        yield { text };
        await new Promise<void>((resolve) => (next = resolve));
      }
    }
    for await (const { text } of echo.both(notes())) {
      heard.push(text);
      next?.();
    }
    expect(heard).toEqual(['ping', 'ping again']);
  });

  it('bring headers first and trailers last', async () => {
    const address = (
      await rig.serve({
        async *down(_request, { responseHeaders, responseTrailers }) {
          responseHeaders.set('x-header', 'h');
          yield {};
          responseTrailers.set('x-trailer-bin', new Uint8Array([7]));
        },
      })
    ).address;
    const order: string[] = [];
    const tell = (name: string) => (metadata: Metadata) => order.push(`${name} ${JSON.stringify(metadata)}`);
    for await (const _ of rig
      .client(address)
      .of(Echo)
      .down({}, { onHeaders: tell('headers'), onTrailers: tell('trailers') }))
      order.push('message');
    expect(order).toEqual(['headers {"x-header":["h"]}', 'message', 'trailers {"x-trailer-bin":["Bw=="]}']);
  });

  it('bring headers before there is a message, where the service sends them', async () => {
    const { address } = await rig.serve({
      async *down(_request, context) {
        context.responseHeaders.set('x-in-force', 'yes');
        context.sendHeaders();
        context.sendHeaders();
        await new Promise((resolve) => context.signal.addEventListener('abort', resolve));
        yield* [];
      },
    });
    const stop = new AbortController();
    let seen: Metadata | undefined;
    const options = { signal: stop.signal, onHeaders: (headers: Metadata) => (seen = headers) };
    const messages = collect(rig.client(address).of(Echo).down({}, options));
    await until('the headers are here', () => seen);
    expect(JSON.stringify(seen)).toBe('{"x-in-force":["yes"]}');
    stop.abort();
    expect(await failure(messages)).toMatchObject({ code: 'canceled' });
  });

  it('fail with the error of the service, after all that it sent before', async () => {
    const address = (
      await rig.serve({
        async *down({ count }) {
          for (let at = 0; at < count; at++) yield { count: at };
          throw new MicroError('data_loss', 'lost the rest ☹', {
            id: 'tape',
            details: [{ type: 'echo.Note', value: note.encode({ text: 'x' }) }],
          });
        },
      })
    ).address;
    const seen: number[] = [];
    const reading = (async () => {
      for await (const { count } of rig.client(address).of(Echo).down({ count: 300 })) {
        seen.push(count);
        // Slower than the sender: the status arrives while messages still wait.
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    const error = await failure(reading);
    expect(seen).toEqual(Array.from({ length: 300 }, (_, index) => index));
    expect(error).toMatchObject({ code: 'data_loss', detail: 'lost the rest ☹', id: 'tape' });
    expect(error.details).toEqual([{ type: 'echo.Note', value: note.encode({ text: 'x' }) }]);
  });

  it('slow the service down to the reader', async () => {
    let sent = 0;
    const address = (
      await rig.serve({
        async *down() {
          for (; sent < 1_000; sent++) yield { text: 'x'.repeat(10_000) };
        },
      })
    ).address;
    const stream = rig.client(address).of(Echo).down({})[Symbol.asyncIterator]();
    await stream.next();
    let before = -1;
    await until('the service waits', () => {
      const still = sent === before;
      before = sent;
      return still && sent > 0;
    });
    expect(sent).toBeLessThan(500);
    await stream.return?.();
  });

  it('slow the caller down to the service', async () => {
    let release = () => undefined as void;
    const gate = new Promise<void>((resolve) => (release = resolve));
    const address = (
      await rig.serve({
        async up(notes) {
          await gate;
          let count = 0;
          for await (const _ of notes) count++;
          return { count };
        },
      })
    ).address;
    let made = 0;
    async function* notes() {
      for (; made < 1_000; made++) yield { text: 'x'.repeat(10_000) };
    }
    const call = rig.client(address).of(Echo).up(notes());
    let before = -1;
    await until('the caller waits', () => {
      const still = made === before && made > 0;
      before = made;
      return still;
    });
    expect(made).toBeLessThan(500);
    release();
    expect(await call).toMatchObject({ count: 1_000 });
  });

  it('are canceled by a reader that goes, also while it waits', async () => {
    const ended: string[] = [];
    const address = (
      await rig.serve({
        async *down({ text }, { signal }) {
          signal.addEventListener('abort', () => ended.push(text));
          yield {};
          if (text === 'waiting') await new Promise(() => undefined);
          for (;;) {
            yield {};
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        },
      })
    ).address;
    const echo = rig.client(address).of(Echo);
    for await (const _ of echo.down({ text: 'break' })) break;
    const waiting = echo.down({ text: 'waiting' })[Symbol.asyncIterator]();
    await waiting.next();
    const pending = waiting.next();
    await waiting.return?.();
    expect(await pending).toEqual({ done: true, value: undefined });
    await until('both handlers have heard', () => ended.length === 2);
  });

  it('are canceled by a signal, a deadline, and the closing of the client', async () => {
    const address = (
      await rig.serve({
        async *down() {
          yield {};
          await new Promise(() => undefined);
        },
      })
    ).address;
    const client = new Client({ discovery: new Nodes(address) });
    const { down } = client.of(Echo);
    const abort = new AbortController();
    const aborted = failure(collect(down({}, { signal: abort.signal })));
    const late = failure(collect(down({}, { timeout: 100 })));
    const closed = failure(collect(down({})));
    await collect(client.of(Echo).both([]));
    abort.abort();
    expect((await aborted).code).toBe('canceled');
    expect((await late).code).toBe('deadline_exceeded');
    await client.close();
    expect((await closed).code).toBe('canceled');
  });

  it('tell the reader what went wrong with the messages to send', async () => {
    let aborted = false;
    const address = (
      await rig.serve({
        async *both(notes, { signal }) {
          signal.addEventListener('abort', () => (aborted = true));
          for await (const one of notes) yield one;
        },
      })
    ).address;
    async function* notes() {
      yield { text: 'one' };
      throw new Error('the disk is gone');
    }
    expect(await failure(collect(rig.client(address).of(Echo).both(notes())))).toMatchObject({
      code: 'canceled',
      detail: expect.stringContaining('the disk is gone'),
    });
    await until('the service has heard', () => aborted);
  });

  it('let go of messages to send when the service ends first', async () => {
    const address = (
      await rig.serve({
        async *both(notes) {
          for await (const one of notes) {
            yield one;
            return;
          }
        },
      })
    ).address;
    let returned = false;
    async function* notes() {
      try {
        for (;;) {
          yield { text: 'more' };
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      } finally {
        returned = true;
      }
    }
    expect(await collect(rig.client(address).of(Echo).both(notes()))).toHaveLength(1);
    await until('the messages were let go', () => returned);
  });

  it('begin when they are read, and are nothing before', async () => {
    const address = (await rig.serve()).address;
    const echo = rig.client(address).of(Echo);
    void echo.down({ count: 1 });
    const unread = echo.down({ count: 1 })[Symbol.asyncIterator]();
    await unread.return?.();
    expect(await unread.next()).toEqual({ done: true, value: undefined });
  });

  it('are unavailable where no node can be reached', async () => {
    expect(await failure(collect(rig.client('127.0.0.1:1').of(Echo).down({})))).toMatchObject({ code: 'unavailable' });
    const http1 = rig.client('127.0.0.1:1', { connect: false }).of(Echo);
    expect(await failure(http1.say({}))).toMatchObject({ code: 'unavailable' });
  });
});
