import { spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { freePort, temporaryFolder, until } from '@micro/testing';
import { afterEach, describe, expect, it } from 'vitest';
import { isAlive, processIdentity } from './process-identity.js';
import { readyz, staysUp } from './ready.js';
import type { OutputLine, ProcessSpec } from './process-spec.js';
import { SupervisedProcess } from './supervised.js';

const started: { kill(): void }[] = [];
afterEach(() => {
  for (const one of started.splice(0)) one.kill();
});

/** A Node program, given as text, and what it says. */
function program(
  name: string,
  code: string,
  more: Partial<ProcessSpec> = {},
): ProcessSpec & { readonly lines: OutputLine[] } {
  const lines: OutputLine[] = [];
  const output = (line: OutputLine) => void lines.push(line);
  return { name, command: [process.execPath, '-e', code], env: { PATH: process.env['PATH'] }, output, lines, ...more };
}

function supervised(spec: ProcessSpec): SupervisedProcess {
  const one = new SupervisedProcess(spec);
  started.push(one);
  return one;
}

const forever = 'setInterval(() => {}, 1000)';

describe('a supervised process', () => {
  it('is running when it is ready, at the address that it answers at', async () => {
    const port = await freePort();
    const code = `require('http').createServer((q, r) => { r.statusCode = q.url === '/readyz' ? 200 : 404; r.end() }).listen(${port}, '127.0.0.1')`;
    const one = supervised(program('web', code, { ready: readyz(`127.0.0.1:${port}`) }));
    const start = one.start();
    expect(one.state.status).toBe('starting');
    await start;
    expect(one.state).toMatchObject({ status: 'running', address: `127.0.0.1:${port}`, restarts: 0, message: '' });
    await one.stop();
    expect(one.state).toMatchObject({ status: 'stopped', pid: 0 });
  });

  it('tells why it could not be started', async () => {
    const one = supervised(program('gone', '', { command: ['/no/such/program'] }));
    await expect(one.start()).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringContaining('/no/such/program was not found'),
    });
    expect(one.state.status).toBe('error');
  });

  it('tells how it ended and what it last wrote to stderr', async () => {
    const one = supervised(
      program('broken', `console.error('no database'); process.exitCode = 7`, { ready: staysUp(10_000) }),
    );
    await expect(one.start()).rejects.toMatchObject({
      code: 'failed_precondition',
      detail: expect.stringMatching(/code 7 after .*no database/s),
    });
    expect(one.state).toMatchObject({ status: 'error', message: expect.stringContaining('no database') });
  });

  it('is started again after kill -9', async () => {
    const one = supervised(program('loop', forever, { restart: { minDelay: 10 } }));
    await one.start();
    const { pid } = one.state;
    process.kill(pid, 'SIGKILL');
    await until('another process', () => one.state.status === 'running' && one.state.pid !== pid);
    expect(one.state.restarts).toBe(1);
  });

  it('pauses longer after each failure, and looks broken all the while', async () => {
    const statuses = new Set<string>();
    const times: number[] = [];
    const one = supervised(
      program('crash', 'process.exit(1)', {
        ready: staysUp(10_000),
        restart: { minDelay: 40, maxDelay: 10_000 },
        onExit: () => void times.push(Date.now()),
        onChange: ({ state }) => void (state.restarts > 0 && statuses.add(state.status)),
      }),
    );
    await one.start().catch(() => undefined);
    await until('four failures', () => times.length >= 4);
    await one.stop();
    statuses.delete('stopping');
    statuses.delete('stopped');
    expect([...statuses]).toEqual(['error']);
    expect((times[3] as number) - (times[2] as number)).toBeGreaterThanOrEqual(160);
  });

  it('is not started again where the policy says so', async () => {
    const one = supervised(program('job', '', { ready: staysUp(10_000), restart: { when: ({ code }) => code !== 0 } }));
    await one.start().catch(() => undefined);
    await until('its end', () => one.state.status === 'stopped');
    expect(one.state).toMatchObject({ restarts: 0, message: '' });
  });

  it('is killed after its grace, with everything that it started', async () => {
    const child = `process.on('SIGTERM', () => {}); ${forever}`;
    const code = `process.on('SIGTERM', () => {}); const c = require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}]); console.log(c.pid); ${forever}`;
    const spec = program('stubborn', code, { grace: 100 });
    const one = supervised(spec);
    await one.start();
    const grandchild = Number((await until('its child', () => spec.lines[0])).text);
    const identity = processIdentity(grandchild) as string;
    await one.stop();
    await until('no grandchild', () => !isAlive(grandchild, identity));
  });

  it('leaves nobody behind when it dies by itself', async () => {
    const code = `const c = require('child_process').spawn(process.execPath, ['-e', '${forever}']); console.log(c.pid); ${forever}`;
    const spec = program('parent', code, { restart: { when: () => false } });
    const one = supervised(spec);
    await one.start();
    const grandchild = Number((await until('its child', () => spec.lines[0])).text);
    const identity = processIdentity(grandchild) as string;
    process.kill(one.state.pid, 'SIGKILL');
    await until('no grandchild', () => !isAlive(grandchild, identity));
  });

  it('stops when it is halted', async () => {
    const one = supervised(program('halted', forever));
    await one.start();
    process.kill(one.state.pid, 'SIGSTOP');
    await one.stop();
    expect(one.state.status).toBe('stopped');
  });

  it('is told of the death of its supervisor over IPC', async () => {
    const spec = program(
      'ipc',
      `process.on('disconnect', () => process.exit(0)); console.log(process.connected); ${forever}`,
      { ipc: true },
    );
    await supervised(spec).start();
    expect((await until('its word', () => spec.lines[0])).text).toBe('true');
  });

  it('hands over every line, however it is cut, and whatever it is', async () => {
    const code = `process.stdout.write('a'.repeat(70000) + '\\nb\\r\\n'); process.stdout.write(Buffer.from([0xff, 0xfe, 0x0a])); process.stdout.write('no end')`;
    const spec = program('lines', code, { restart: { when: () => false } });
    await supervised(spec).start();
    await until('all lines', () => spec.lines.at(-1)?.text === 'no end');
    expect(spec.lines.map(({ text }) => (text.length > 100 ? text.length : text))).toEqual([
      65536,
      4464,
      'b',
      '\ufffd\ufffd',
      'no end',
    ]);
  });

  it('is not ready in time, and may be later', async () => {
    const server = createServer((_, response) => response.end());
    const port = await freePort();
    const one = supervised(program('late', forever, { ready: readyz(`127.0.0.1:${port}`), readyTimeout: 200 }));
    await expect(one.start()).rejects.toMatchObject({ code: 'deadline_exceeded' });
    expect(one.state.status).toBe('error');
    server.listen(port, '127.0.0.1');
    await until('readiness', () => one.state.status === 'running');
    server.close();
  });

  it('is taken over by another supervisor', async () => {
    await using folder = await temporaryFolder();
    const output = { stdout: `${folder.path}/out`, stderr: `${folder.path}/err`, tail: () => ['last words'] };
    const first = new SupervisedProcess({ ...program('adopted', forever), output });
    await first.start();
    const second = supervised({ ...program('adopted', forever, { restart: { minDelay: 10 } }), output });
    second.adopt(first.state);
    expect(second.state).toEqual(first.state);
    const child = first.state.pid;
    void first.stop();
    await until(
      'its replacement',
      () => second.state.pid > 0 && second.state.pid !== child && second.state.status === 'running',
    );
    expect(second.state.restarts).toBe(1);
  });
});

describe('process identity', () => {
  it('is that of a living process, and of no other', async () => {
    const child = spawn(process.execPath, ['-e', forever]);
    const identity = processIdentity(child.pid as number) as string;
    expect(isAlive(child.pid as number, identity)).toBe(true);
    expect(isAlive(child.pid as number, `${identity}0`)).toBe(false);
    child.kill('SIGKILL');
    await until('its end', () => processIdentity(child.pid as number) === undefined);
    expect(processIdentity(-1)).toBeUndefined();
  });
});
