import { describe, expect, it } from 'vitest';
import { eachWithPlatform } from '../program.fixture.js';

const platform = eachWithPlatform();

describe('lists', () => {
  it('services', async () => {
    const { stdout } = await platform().micro('services');
    expect(stdout.split('\n')[0]).toMatch(/^NAME +VERSION +NODES +ENDPOINTS$/);
    expect(stdout).toMatch(/^helloworld +1\.0\.0 +127\.0\.0\.1:\d+ +Helloworld\.Call, /m);
    expect(JSON.parse((await platform().micro('services', '-o', 'json')).stdout)).toMatchObject([
      { name: 'helloworld' },
      { name: 'registry' },
    ]);
    expect((await platform().micro('services', '-o', 'raw')).stdout.split('\n')[0]!.split('\t')[0]).toBe('helloworld');
    expect((await platform().micro('services', '-n', 'empty')).stdout).toBe(
      'no services in namespace empty: run one with `micro run .`\n',
    );
    expect((await platform().micro('services', '-n', 'empty', '-o', 'json')).stdout).toBe('[]\n');
  });

  it('one service, with its fields', async () => {
    const { stdout } = await platform().micro('get', 'service', 'helloworld');
    for (const line of [
      'helloworld 1.0.0   namespace micro',
      '  Helloworld.Call  Says hello. Politely.',
      '  Helloworld.Stream (streams answers)  Counts up to a number.',
      '      name: string',
      '      options: helloworld.Options',
    ])
      expect(stdout).toContain(line);
    const [data] = JSON.parse((await platform().micro('get', 'service', 'helloworld', '-o', 'json')).stdout) as {
      endpoints: { request: object }[];
    }[];
    expect(data!.endpoints[0]!.request).toEqual({
      name: { type: 'string' },
      options: { type: 'helloworld.Options', fields: { volume: { type: 'int64' } } },
      tags: { type: 'string, repeated' },
    });
  });

  it('registers and deregisters', async () => {
    expect((await platform().micro('register', 'legacy', '--address', '127.0.0.1:9')).code).toBe(0);
    expect((await platform().micro('services')).stdout).toContain('legacy');
    expect((await platform().micro('deregister', 'legacy', '--address', '127.0.0.1:9')).code).toBe(0);
    expect((await platform().micro('deregister', 'legacy')).code).toBe(4);
  });

  it('leaves topics out of the list of services', async () => {
    const topic = ['register', 'topic.orders', '--address', '127.0.0.1:9', '--metadata', 'kind=topic'];
    expect((await platform().micro(...topic)).code).toBe(0);
    expect((await platform().micro('services')).stdout).not.toContain('topic.orders');
    expect((await platform().micro('get', 'service', 'topic.orders')).stdout).toContain('topic.orders');
    expect((await platform().micro('deregister', 'topic.orders')).code).toBe(0);
  });

  it('environments', async () => {
    expect((await platform().micro('env')).stdout).toMatch(/^\* +local +127\.0\.0\.1:8081$/m);
    expect((await platform().micro('env', 'add', 'lab', '127.0.0.1:1')).code).toBe(0);
    expect((await platform().micro('env', 'set', 'lab')).code).toBe(0);
    expect((await platform().micro('env', 'get')).stdout).toBe('lab\n');
    expect((await platform().micro('env', 'get', 'staging')).stdout).toBe('proxy.m3o.dev:443\n');
    expect(JSON.parse((await platform().micro('env', '-o', 'json')).stdout)).toContainEqual({
      name: 'lab',
      address: '127.0.0.1:1',
      builtIn: false,
      current: true,
    });
    expect((await platform().microWith({ env: { MICRO_PROXY_ADDRESS: '' } }, 'services')).stderr).toMatch(
      /127\.0\.0\.1:1 \(environment lab\)/,
    );
    expect((await platform().micro('--env', 'nope', 'services')).stderr).toMatch(
      /environment "nope" is unknown .*local, staging, platform, lab/,
    );
    expect((await platform().micro('env', 'del', 'lab')).code).toBe(0);
    expect((await platform().micro('env', 'get')).stdout).toBe('local\n');
    expect((await platform().micro('env', 'ad')).stderr).toMatch(/did you mean add/);
  });
});
