import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { endProcess, healthy, startPlatform, type TestPlatform, until, workspaceRoot } from '@micro/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Instance, instancesOf } from './running.js';

const services = ['orders', 'stock', 'mail'] as const;

interface Order {
  readonly id: string;
  readonly item: string;
  readonly quantity: number;
  readonly status?: string;
}

/** The shop of examples/orders, driven by its own script, as separate processes. */
describe('the shop', () => {
  let platform: TestPlatform;
  const drives: ChildProcess[] = [];
  beforeAll(async () => {
    platform = await startPlatform();
    for (const service of services) {
      const { code, stdout, stderr } = await platform.micro('run', `${workspaceRoot}examples/orders/${service}`);
      expect({ code, said: stdout + stderr }).toMatchObject({ code: 0, said: expect.stringContaining(service) });
    }
  });
  afterEach(async () => {
    for (const one of drives.splice(0)) await endProcess(one);
  });
  afterAll(() => platform?.stop());

  /** `node examples/orders/drive.mjs` with what it has said so far. */
  const drive = (...args: string[]) => {
    const child = spawn(process.execPath, [`${workspaceRoot}examples/orders/drive.mjs`, ...args], {
      env: platform.env,
      detached: true,
    });
    drives.push(child);
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
    const placed = () => Number(output.match(/\d+(?= orders placed)/g)?.at(-1) ?? 0);
    return {
      child,
      output: () => output,
      /** Waits until it has placed another hundred orders. */
      goOn: async () => {
        const enough = placed() + 100;
        await until(
          'orders are placed',
          () => {
            if (child.exitCode !== null) throw new Error(`the script ended:\n${output}`);
            return placed() >= enough;
          },
          60_000,
        );
      },
      ended: async () => {
        if (child.exitCode === null) await once(child, 'exit');
        return { code: child.exitCode, output };
      },
    };
  };
  const call = async <T>(path: string, body: object): Promise<T[]> => {
    const answer = await fetch(`http://${platform.address.api}${path}`, { method: 'POST', body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as T);
  };

  it('keeps every order through kill -9 of each of its services, of the store and of the broker', async () => {
    const shopping = drive('--orders=1000000', '--run=killed');
    await shopping.goOn();
    for (const service of services) {
      const [victim] = (await instancesOf(platform, service)) as [Instance];
      process.kill(victim.pid, 'SIGKILL');
      await until(
        `${service} runs again`,
        async () =>
          (await instancesOf(platform, service)).some(({ pid, status }) => pid !== victim.pid && status === 'running'),
        30_000,
      );
      await shopping.goOn();
    }
    for (const name of ['store', 'broker'] as const) {
      const pid = platform.pid(name);
      process.kill(pid, 'SIGKILL');
      await until(
        `${name} runs again`,
        async () => (await healthy([platform.address[name]])) && platform.pid(name) !== pid,
        30_000,
      );
      await shopping.goOn();
    }
    shopping.child.kill('SIGINT');
    const { code, output } = await shopping.ended();
    expect(output).toContain('everything adds up');
    expect(code).toBe(0);
    expect(Number(/(\d+) calls repeated/.exec(output)?.[1])).toBeGreaterThan(0);

    // Beside what the script says of itself: what the shop says of all that it was asked.
    const acknowledged = Number(/(\d+) orders acknowledged/.exec(output)?.[1]);
    expect(acknowledged).toBeGreaterThan(600);
    const orders = (await call<Order>('/orders/list', {})).filter(({ id }) => id.startsWith('killed-'));
    expect(orders.length).toBe(acknowledged);
    expect(new Set(orders.map(({ status }) => status))).toEqual(new Set(['RESERVED', 'REFUSED']));
    for (const item of new Set(orders.map((order) => order.item))) {
      const [level] = await call<{ reserved: number }>('/stock/look', { item });
      const sold = orders.filter((order) => order.item === item && order.status === 'RESERVED');
      expect(level?.reserved, item).toBe(sold.reduce((sum, { quantity }) => sum + quantity, 0));
    }
  }, 240_000);

  it('has a dead letter for an address that cannot be, and writes it when that is mended', async () => {
    await call('/orders/place', { id: 'mistyped', customer: 'ann', item: 'tea', quantity: 1 });
    const failures = () => call<{ order: string; reason: string }>('/mail/undelivered', {});
    const failure = await until('it is a dead letter', async () =>
      (await failures()).find(({ order }) => order === 'mistyped'),
    );
    expect(failure.reason).toBe('"ann" is no address');
    expect(await call('/mail/correct', { address: 'ann', right: 'ann@example.com' })).toEqual([{ replayed: 1 }]);
    const letter = await until('it is written', () => call('/mail/get', { order: 'mistyped' }).catch(() => undefined));
    expect(letter).toMatchObject([{ order: 'mistyped', to: 'ann@example.com' }]);
    expect((await failures()).map(({ order }) => order)).not.toContain('mistyped');
  });

  it('is caught when something does not add up', async () => {
    await call('/stock/restock', { delivery: 'of nobody', item: 'tea-forged', quantity: 1 });
    const { code, output } = await drive('--orders=20', '--run=forged').ended();
    expect(output).toMatch(/tea-forged: on the shelf and set aside.*WRONG/);
    expect(code).toBe(1);
  });
});
