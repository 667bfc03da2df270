import { expect, it } from 'vitest';
import { eachWithPlatform } from './program.fixture.js';

const platform = eachWithPlatform();

it('completes words', async () => {
  const words = async (...args: string[]) =>
    (await platform().micro('__complete', ...args)).stdout.split('\n').filter(Boolean);
  expect(await words('s')).toEqual(['server', 'services', 'status', 'store', 'stream', 'subscribe']);
  expect(await words('hel')).toEqual(['helloworld', 'help']);
  expect(await words('helloworld', 'p')).toEqual(['ping-pong']);
  expect(await words('helloworld', 'call', '--')).toEqual(['--help', '--name=', '--options.volume=', '--tags=']);
  expect(await words('env', 'set', '')).toEqual(['local', 'platform', 'staging']);
  expect(await words('-o', '')).toEqual(['json', 'raw', 'table', 'yaml']);
  expect(await words('call', 'helloworld', 'Helloworld.S')).toEqual(['Helloworld.Slow', 'Helloworld.Stream']);
  expect(await words('run', '--fo')).toEqual(['--force']);
  expect(await words('nobody', '')).toEqual([]);
});
