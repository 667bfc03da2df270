import { MicroError } from '@micro/errors';
import { until } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import type { CallContext } from '../handler.js';
import type { RpcServer } from '../server/server.js';
import { Client } from './client.js';
import { Echo, echoServer, Nodes, type Note } from './echo.fixture.js';

/** A caller, a service in the middle, and one behind it. */
interface Chain {
  readonly caller: Client;
  readonly seen: CallContext[];
}

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function chain(
  behind: (note: Note, context: CallContext) => Promise<Note> | Note,
  middle: (inner: Client, note: Note) => Promise<Note>,
): Promise<Chain> {
  const seen: CallContext[] = [];
  const servers: RpcServer[] = [];
  const clients: Client[] = [];
  closers.push(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await Promise.all(servers.map((server) => server.close({ graceMs: 0 })));
  });
  const client = (address: string, name: string) => {
    const made = new Client({ discovery: new Nodes(address), name });
    clients.push(made);
    return made;
  };
  const last = await echoServer({
    say: (note, context) => (seen.push(context), behind(note, context)),
    async *down(_note, context) {
      seen.push(context);
      yield {};
    },
  });
  servers.push(last);
  const inner = client(last.address, 'middle');
  const first = await echoServer({ say: (note, context) => (seen.push(context), middle(inner, note)) });
  servers.push(first);
  return { caller: client(first.address, 'caller'), seen };
}

describe('a call made while another is answered', () => {
  it('goes on with its namespace, its trace and the rest of its time, and no other headers', async () => {
    const { caller, seen } = await chain(
      (note) => note,
      async (inner, note) => {
        await new Promise((resolve) => setTimeout(resolve, 30));
        return inner.of(Echo).say(note);
      },
    );
    const metadata = { tracestate: 'vendor=1', 'x-private': 'mine' };
    await caller.of(Echo).say({}, { namespace: 'acme', timeout: 1_000, metadata });
    const [outer, inner] = seen as [CallContext, CallContext];
    expect([inner.namespace, inner.from]).toEqual(['acme', 'middle']);
    const trace = (context: CallContext) => context.metadata.get('traceparent')?.split('-') ?? [];
    expect(trace(inner)[1]).toBe(trace(outer)[1]);
    expect(trace(inner)[2]).not.toBe(trace(outer)[2]);
    expect(inner.metadata.get('tracestate')).toBe('vendor=1');
    expect(inner.metadata.has('x-private')).toBe(false);
    expect(Math.abs((inner.deadline as number) - (outer.deadline as number))).toBeLessThan(25);
  });

  it('cannot be given more time, only less', async () => {
    const { caller, seen } = await chain(
      (note) => note,
      (inner, note) => inner.of(Echo).say(note, { timeout: note.count }),
    );
    await caller.of(Echo).say({ count: 60_000 }, { timeout: 1_000 });
    expect((seen[1]?.deadline as number) - Date.now()).toBeLessThanOrEqual(1_000);
    await caller.of(Echo).say({ count: 200 }, { timeout: 1_000 });
    expect((seen[3]?.deadline as number) - Date.now()).toBeLessThanOrEqual(200);
  });

  it('is canceled with it', async () => {
    let aborted: MicroError | undefined;
    const { caller, seen } = await chain(
      (_note, { signal }) =>
        new Promise(() => signal.addEventListener('abort', () => (aborted = signal.reason as MicroError))),
      (inner, note) => inner.of(Echo).say(note),
    );
    const abort = new AbortController();
    const call = caller.of(Echo).say({}, { signal: abort.signal });
    call.catch(() => undefined);
    await until('the last service has the call', () => seen.length === 2);
    abort.abort();
    await expect(call).rejects.toMatchObject({ code: 'canceled' });
    await until('the last service has heard', () => aborted !== undefined);
  });

  it('is bound by it as a stream as well', async () => {
    const { caller, seen } = await chain(
      (note) => note,
      async (inner, note) => {
        for await (const _ of inner.of(Echo).down({ count: 1 }));
        return note;
      },
    );
    await caller.of(Echo).say({}, { namespace: 'acme', timeout: 1_000 });
    expect(seen[1]?.namespace).toBe('acme');
    expect((seen[1]?.deadline as number) - Date.now()).toBeLessThanOrEqual(1_000);
  });
});
