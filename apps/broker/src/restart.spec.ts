import { type Broker, openBroker } from '@micro/broker';
import { openRegistry } from '@micro/registry';
import { Client, fixedTargets } from '@micro/rpc';
import { compileProgram, freePorts, type Program, startProgram, temporaryFolder } from '@micro/testing';
import { afterAll, beforeAll, expect, it } from 'vitest';

const soon = { timeout: 15_000, interval: 20 };

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let start: () => Promise<Program>;
let address: string;
let mdnsPort: number;
const close: (() => unknown)[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  const [port, udpPort] = (await freePorts(2)) as [number, number];
  address = `127.0.0.1:${port}`;
  mdnsPort = udpPort;
  const file = await compileProgram(new URL('main.ts', import.meta.url), folder.path);
  const env = {
    MICRO_PROFILE: 'local',
    MICRO_ADDRESS: address,
    MICRO_MDNS_PORT: `${mdnsPort}`,
    MICRO_HOME: folder.path,
  };
  start = async () => {
    const program = startProgram(file, env);
    close.unshift(() => program.stop());
    await program.ready();
    return program;
  };
});
afterAll(async () => {
  for (const one of close) await one();
  await folder[Symbol.asyncDispose]();
});

async function heard(broker: Broker, topic: string, queue?: string): Promise<string[]> {
  const subscription = await broker.subscribe(topic, { queue });
  const texts: string[] = [];
  const read = async () => {
    for await (const { body } of subscription) texts.push(new TextDecoder().decode(body));
  };
  void read();
  return texts;
}

const message = (text: string) => ({ body: new TextEncoder().encode(text) });

it('may be killed and stopped under its subscribers, and brings together who uses it and who does without', async () => {
  let program = await start();
  const client = new Client({ discovery: fixedTargets(address), timeout: 3_000 });
  const remote = await openBroker({ adapter: 'remote', client });
  const registry = await openRegistry({
    adapter: 'mdns',
    port: mdnsPort,
    fallbackFile: `${folder.path}/registry.json`,
  });
  const neighbour = await openBroker({ adapter: 'http', registry });
  close.unshift(async () => {
    await Promise.all([remote.close(), neighbour.close()]);
    await client.close();
    await registry.close();
  });
  const [byRpc, byHttp] = [await heard(remote, 'orders'), await heard(neighbour, 'orders')];
  await remote.publish('orders', message('one'));
  await neighbour.publish('orders', message('two'));
  await expect
    .poll(() => [byRpc, byHttp], soon)
    .toEqual([
      ['one', 'two'],
      ['one', 'two'],
    ]);

  for (const end of ['kill', 'stop'] as const) {
    if (end === 'kill') program.child.kill('SIGKILL');
    else await program.stop();
    await program.exited;
    await neighbour.publish('orders', message(`during ${end}`));
    await expect.poll(() => byHttp, soon).toContain(`during ${end}`);
    await expect(remote.publish('orders', message('lost'))).rejects.toMatchObject({ code: 'unavailable' });
    program = await start();
    await expect
      .poll(async () => {
        await neighbour.publish('orders', message(`after ${end}`));
        return byRpc;
      }, soon)
      .toContain(`after ${end}`);
  }
  expect(byRpc.filter((text) => text.startsWith('during'))).toEqual([]);
});
