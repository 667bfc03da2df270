import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eachWithPlatform } from '../program.fixture.js';

const platform = eachWithPlatform();

describe('what runs', () => {
  it('is run, listed, read, updated and killed', async () => {
    const ran = await platform().microWith(
      { env: { HANDED: 'on', MICRO_API_ADDRESS: '127.0.0.1:9080' } },
      'run',
      platform().home,
      '--name=helloworld',
      '--instances=2',
      '-e',
      'A=1',
      '--env',
      'HANDED',
      '--metadata',
      'team=x',
      '--command',
      `node "my server.js" --x='y z'`,
    );
    expect(ran).toMatchObject({
      code: 0,
      stdout: `curl localhost:9080/helloworld/call -d '{"name":"Alice"}'\nmicro helloworld --name=Alice\n`,
    });
    expect(ran.stderr.split('\n').slice(0, 3)).toEqual(['running helloworld', 'building', 'done']);
    expect(platform().running[0]).toMatchObject({
      source: platform().home,
      wanted: 2,
      command: ['node', 'my server.js', '--x=y z'],
      metadata: { team: 'x', env: '{"A":"1","HANDED":"on"}' },
    });

    const { stdout } = await platform().micro('status');
    expect(stdout).toMatch(
      /^NAME +VERSION +SOURCE +STATUS +INSTANCES +UPDATED +METADATA\nhelloworld +latest +\S+ \(node .*\) +running +1\/2 +\d s ago +team=x/,
    );
    expect(JSON.parse((await platform().micro('status', '-o', 'json')).stdout)).toMatchObject([
      { name: 'helloworld', status: 'running', wanted: 2, instances: [{ pid: 4242, restarts: 1 }] },
    ]);
    expect((await platform().micro('status', 'helloworld')).stdout).toContain('4242');

    expect((await platform().micro('logs', 'helloworld', '-n', '2')).stdout).toBe('line 1\nline 2\n');
    expect(JSON.parse((await platform().micro('logs', 'helloworld', '-n', '1', '-o', 'json')).stdout)).toEqual({
      time: '2023-11-14T22:13:20.000Z',
      instance: 'i1',
      stream: 'stdout',
      text: 'line 1',
    });
    expect((await platform().micro('logs', 'helloworld', '--since', 'yesterday')).stderr).toMatch(/--since must be/);
    expect((await platform().micro('update', platform().home, '--instances', '3')).stdout).toBe(
      'helloworld latest is running\n',
    );
    expect((await platform().micro('kill', 'helloworld', 'helloworld')).code).toBe(0);
    expect((await platform().micro('status')).stdout).toMatch(/^nothing runs in namespace micro/);
  });

  it('says why it does not run', async () => {
    expect(await platform().micro('run', platform().home, '--name=broken')).toEqual({
      code: 1,
      stdout: '',
      stderr: [
        'running broken',
        'building',
        'error: broken did not start: build failed',
        '       src/main.ts:1:1 no',
        '       more of what it wrote: micro logs broken',
        '       once it is put right: micro update broken',
        '',
      ].join('\n'),
    });
    expect((await platform().micro('status')).stdout).toMatch(/ error .*build failed/);
    expect(await platform().micro('run', platform().home, '--name=broken')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/error: broken runs already: use --force or micro update\n$/),
    });
    expect((await platform().micro('run', join(platform().home, 'nothing'))).stderr).toMatch(/there is no folder/);
    expect((await platform().micro('kill', 'brokn')).stderr).toMatch(/did you mean broken\? \(there are broken\)/);
  });
});
