import { compileProgram, type Program, startProgram, temporaryFolder, until } from '@micro/testing';
import { MicroError } from '@micro/errors';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Client } from './client.js';
import { Echo, Nodes } from './echo.fixture.js';

type Method = 'look' | 'say';
interface Outcome {
  readonly begun: number;
  readonly ended: number;
  readonly code: string;
}

/** Keeps a number of calls under way until it is stopped. */
class Load {
  readonly outcomes: Outcome[] = [];
  inFlight = 0;
  #stopped = false;
  readonly #workers: Promise<void>[];

  constructor(client: Client, method: Method, { workers = 16, timeout = 10_000 } = {}) {
    const call = client.of(Echo)[method];
    this.#workers = Array.from({ length: workers }, async () => {
      while (!this.#stopped) {
        const begun = performance.now();
        this.inFlight++;
        const code = await call({ count: 1 }, { timeout }).then(
          () => 'ok',
          (error: MicroError) => error.code,
        );
        this.inFlight--;
        this.outcomes.push({ begun, ended: performance.now(), code });
      }
    });
  }

  async stop(): Promise<readonly Outcome[]> {
    this.#stopped = true;
    await Promise.all(this.#workers);
    return this.outcomes;
  }

  async more(calls: number): Promise<void> {
    const before = this.outcomes.length;
    await until(`${calls} more calls are done`, () => this.outcomes.length >= before + calls);
  }

  failed(): Outcome[] {
    return this.outcomes.filter(({ code }) => code !== 'ok');
  }
}

describe('a node that fails under load', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let file: string;
  let programs: Program[] = [];
  let client: Client | undefined;

  beforeAll(async () => {
    folder = await temporaryFolder();
    file = await compileProgram(new URL('./node.fixture.ts', import.meta.url), folder.path);
  });
  afterAll(() => folder[Symbol.asyncDispose]());
  afterEach(async () => {
    await client?.close();
    for (const { child } of programs) child.kill('SIGKILL');
    await Promise.all(programs.map(({ exited }) => exited));
    programs = [];
  });

  async function start(port = '0'): Promise<{ program: Program; address: string }> {
    const program = startProgram(file, {}, [port]);
    programs.push(program);
    return { program, address: await program.ready() };
  }

  it.each<Method>(['look', 'say'])(
    'killed: no idempotent call fails, of others at most those under way (%s)',
    async (method) => {
      const [doomed, steady] = await Promise.all([start(), start()]);
      client = new Client({ discovery: new Nodes(doomed.address, steady.address) });
      const load = new Load(client, method);
      await load.more(300);
      doomed.program.child.kill('SIGKILL');
      const killedAt = performance.now();
      await load.more(300);
      await load.stop();
      const failed = load.failed();
      if (method === 'look') expect(failed).toEqual([]);
      expect(failed.length).toBeLessThanOrEqual(16);
      expect(failed.filter(({ begun }) => begun > killedAt + 1_000)).toEqual([]);
      expect(new Set(failed.map(({ code }) => code)).size).toBeLessThanOrEqual(1);
    },
  );

  it('killed and started again on its port: gets calls again', async () => {
    const [doomed, steady] = await Promise.all([start(), start()]);
    client = new Client({ discovery: new Nodes(doomed.address, steady.address), ejection: { first: 50 } });
    const load = new Load(client, 'look');
    await load.more(100);
    doomed.program.child.kill('SIGKILL');
    await doomed.program.exited;
    await load.more(100);
    const port = doomed.address.split(':')[1] as string;
    await start(port);
    steady.program.child.kill('SIGKILL');
    await load.more(300);
    await load.stop();
    expect(load.outcomes.slice(-200).every(({ code }) => code === 'ok')).toBe(true);
  });

  it('stopped: its calls end with their deadline, it gets no more, and is back when it goes on', async () => {
    const [stopped, steady] = await Promise.all([start(), start()]);
    const changes: string[] = [];
    const log = (message: string, fields?: object) => void changes.push(`${message} ${JSON.stringify(fields)}`);
    const logger = { debug: log, info: log, warn: log, error: log, child: () => logger };
    client = new Client({
      discovery: new Nodes(stopped.address, steady.address),
      ejection: { first: 100, longest: 400, probeTimeout: 200 },
      logger,
    });
    const load = new Load(client, 'say', { timeout: 500 });
    await load.more(300);
    stopped.program.child.kill('SIGSTOP');
    await until('it is ejected', () => changes.length === 1);
    expect(changes[0]).toMatch(/ejected.*"why":"timeout"/);
    const failed = load.failed();
    expect(failed.length).toBeGreaterThan(0);
    expect(new Set(failed.map(({ code }) => code))).toEqual(new Set(['deadline_exceeded']));
    const ejectedAt = performance.now();
    await load.more(500);
    expect(load.failed().filter(({ begun }) => begun > ejectedAt)).toEqual([]);
    stopped.program.child.kill('SIGCONT');
    await until('it is back', () => changes.length === 2);
    await load.more(300);
    steady.program.child.kill('SIGKILL');
    await load.stop();
    expect(await client.of(Echo).look({ text: 'still there' })).toMatchObject({ text: 'still there' });
  });

  it('killed during streams: they end, and new ones go elsewhere', async () => {
    const [doomed, steady] = await Promise.all([start(), start()]);
    const nodes = new Nodes(doomed.address);
    client = new Client({ discovery: nodes });
    const { both } = client.of(Echo);
    async function* endless() {
      yield { text: 'first' };
      await new Promise(() => undefined);
    }
    const stream = both(endless())[Symbol.asyncIterator]();
    expect((await stream.next()).value).toMatchObject({ text: 'first' });
    nodes.set(doomed.address, steady.address);
    doomed.program.child.kill('SIGKILL');
    await expect(stream.next()).rejects.toMatchObject({ code: 'unavailable' });
    for (let call = 0; call < 10; call++)
      for await (const { text } of both([{ text: 'again' }])) expect(text).toBe('again');
  });
});
