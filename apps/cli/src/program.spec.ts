import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, temporaryFolder } from '@micro/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runMicro, type SmallPlatform, startSmallPlatform } from './program.fixture.js';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let platform: SmallPlatform;
beforeEach(async () => {
  folder = await temporaryFolder();
  platform = await startSmallPlatform(folder.path);
});
afterEach(async () => {
  await platform[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

describe('dynamic commands', () => {
  it('call an endpoint with flags', async () => {
    expect(await platform.micro('helloworld', '--name=Alice')).toEqual({
      code: 0,
      stdout: '{"msg":"Hello Alice"}\n',
      stderr: '',
    });
    expect(await platform.micro('helloworld', 'call', '--name', 'Bob', '-o', 'yaml')).toEqual({
      code: 0,
      stdout: 'msg: Hello Bob\n',
      stderr: '',
    });
    expect((await platform.micro('helloworld', 'helloworld', 'call', '--name=Eve')).stdout).toBe(
      '{"msg":"Hello Eve"}\n',
    );
  });

  it('print each message of a stream', async () => {
    expect(await platform.micro('helloworld', 'stream', '--count=3')).toEqual({
      code: 0,
      stdout: '{"count":"1"}\n{"count":"2"}\n{"count":"3"}\n',
      stderr: '',
    });
    expect((await platform.micro('-o', 'yaml', 'helloworld', 'stream', '--count=2')).stdout).toBe(
      '---\ncount: "1"\n---\ncount: "2"\n',
    );
  });

  it('send a stream from standard input, or one message from flags', async () => {
    expect(await platform.microWith({ input: '{"stroke":1}\n\n{"stroke":2}\n' }, 'helloworld', 'ping-pong')).toEqual({
      code: 0,
      stdout: '{"stroke":1}\n{"stroke":2}\n',
      stderr: '',
    });
    expect((await platform.micro('helloworld', 'pingPong', '--stroke=5')).stdout).toBe('{"stroke":5}\n');
    const wrong = await platform.microWith({ input: '{"stroke":1}\nnope\n' }, 'helloworld', 'pingpong');
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/line 2 of standard input is not JSON/);
  });

  it('are found in the namespace, then in micro; flags may stand before and after', async () => {
    platform.registered.set('team', platform.registered.get('micro')!.slice(0, 1));
    expect((await platform.micro('-n', 'team', 'helloworld', '--name=A')).stdout).toBe(
      '{"msg":"Hello A","namespace":"team"}\n',
    );
    expect((await platform.micro('helloworld', '--name=A', '--namespace', 'team')).stdout).toBe(
      '{"msg":"Hello A","namespace":"team"}\n',
    );
    expect((await platform.micro('-n', 'other', 'helloworld', '--name=A')).stdout).toBe('{"msg":"Hello A"}\n');
  });

  it('show help made from the schema', async () => {
    const { stdout, code } = await platform.micro('helloworld', '--help');
    expect(code).toBe(0);
    expect(stdout).toBe(`helloworld 1.0.0 – Greets, counts and plays

Usage: micro helloworld [HANDLER] METHOD [--FIELD=VALUE …]   (without METHOD: call)

Endpoints:
  call                          Says hello
  stream     streams answers    Counts up to a number
  ping-pong  streams both ways  Answers each ping with a pong
  fail                          Fails as it is told
  slow                          Helloworld.Slow

Fields of an endpoint: micro helloworld METHOD --help
`);
    const { stdout: endpoint } = await platform.micro('help', 'helloworld', 'call');
    expect(endpoint).toBe(`Helloworld.Call – Says hello. Politely.

Usage: micro helloworld call [--FIELD=VALUE …]

Fields of helloworld.CallRequest:
  --name            string            Whom to greet.
  --options.volume  int64             How loud.
  --tags            string, repeated

Answers helloworld.CallResponse:
  msg        string
  namespace  string

Repeat a flag for several values, or separate them by commas; a map takes KEY=VALUE.
`);
  });
});

describe('exit codes', () => {
  it.each([
    ['deadline_exceeded', 1],
    ['unauthenticated', 2],
    ['permission_denied', 2],
    ['unimplemented', 5],
    ['not_found', 127],
    ['unavailable', 127],
    ['invalid_argument', 127],
    ['internal', 127],
  ])('of a service that answers %s is %i', async (code, expected) => {
    const ran = await platform.micro('helloworld', 'fail', `--code=${code}`);
    expect(ran).toMatchObject({ code: expected, stdout: '' });
    expect(ran.stderr).toMatch(/^error: .*\n$/);
  });

  it('of calls that cannot be made', async () => {
    expect((await platform.micro('call', 'helloworld', 'a b')).code).toBe(3);
    expect((await platform.micro('call', 'helloworld', 'Helloworld.Call.More')).code).toBe(3);
    expect((await platform.micro('call', 'nobody', 'Nobody.Call')).code).toBe(4);
    expect((await platform.micro('call', 'helloworld', 'Helloworld.Nothing')).code).toBe(5);
    expect((await platform.micro('helloworld', 'nothing')).code).toBe(5);
    expect((await platform.micro('call', 'helloworld', 'Helloworld.Call', '{')).code).toBe(1);
    expect((await platform.micro('call', 'helloworld', 'Helloworld.Slow', '{}', '--timeout', '50ms')).code).toBe(1);
    expect((await platform.micro('kill', 'nobody')).code).toBe(4);
    expect((await platform.micro('status', 'nobody')).code).toBe(4);
    expect((await platform.micro('get', 'service', 'nobody')).code).toBe(4);
  });

  it('without a server is 4, and says how to start one', async () => {
    const proxy = `127.0.0.1:${await freePort()}`;
    const ran = await platform.micro('--proxy-address', proxy, 'helloworld');
    expect(ran.code).toBe(4);
    expect(ran.stderr).toBe(
      `error: cannot reach the server at ${proxy} (--proxy-address): start it with \`micro server\`, or choose another with --env or --proxy-address\n`,
    );
    expect((await platform.micro('--proxy-address', proxy, 'services')).code).toBe(4);
    expect((await platform.micro('--proxy-address', proxy, 'sevrer')).stderr).toMatch(/did you mean server\?/);
  });
});

describe('resolution', () => {
  it('says of an unknown word that it is, with the nearest names', async () => {
    expect(await platform.micro('hellowrld', '--name=x')).toEqual({
      code: 4,
      stdout: '',
      stderr: 'error: "hellowrld" is neither a command nor a service in namespace micro; did you mean helloworld?\n',
    });
    expect((await platform.micro('statsu')).stderr).toMatch(/did you mean status\?/);
    expect((await platform.micro('zzzzzzzzz')).stderr).toMatch(/see `micro --help` for commands/);
  });

  it('prefers built-in commands to programs on PATH, and those to services', async () => {
    const bin = join(platform.home, 'bin');
    mkdirSync(bin);
    for (const name of ['micro-env', 'micro-helloworld']) {
      writeFileSync(join(bin, name), `#!/bin/sh\nexit $(( $# + 40 ))\n`);
      chmodSync(join(bin, name), 0o755);
    }
    writeFileSync(join(bin, 'micro-notes'), 'not executable');
    const env = { PATH: `${bin}:${process.env['PATH']}` };
    expect((await platform.microWith({ env }, 'env')).code).toBe(0);
    expect((await platform.microWith({ env }, 'helloworld', '--name=a', 'b')).code).toBe(42);
    expect((await platform.microWith({ env }, 'notes')).code).toBe(4);
    expect((await platform.microWith({ env }, '../micro-env')).code).toBe(4);
  });

  it('hands global flags to programs on PATH as variables', async () => {
    const bin = join(platform.home, 'bin');
    mkdirSync(bin);
    writeFileSync(
      join(bin, 'micro-show'),
      '#!/bin/sh\n[ "$MICRO_NAMESPACE" = team ] && [ "$MICRO_OUTPUT" = json ] && exit 7\n',
    );
    chmodSync(join(bin, 'micro-show'), 0o755);
    expect(
      (await platform.microWith({ env: { PATH: `${bin}:${process.env['PATH']}` } }, '-n', 'team', '-o', 'json', 'show'))
        .code,
    ).toBe(7);
  });
});

describe('call and stream', () => {
  it('take JSON from the line, a file or standard input', async () => {
    const file = join(platform.home, 'request.json');
    writeFileSync(file, '{"name":"File"}');
    expect((await platform.micro('call', 'helloworld', 'Helloworld.Call', '{"name":"A"}')).stdout).toBe(
      '{"msg":"Hello A"}\n',
    );
    expect((await platform.micro('call', 'helloworld', 'call', `@${file}`)).stdout).toBe('{"msg":"Hello File"}\n');
    expect(
      (await platform.microWith({ input: '{"name":"In"}' }, 'call', 'helloworld', 'helloworld.Helloworld/Call', '-'))
        .stdout,
    ).toBe('{"msg":"Hello In"}\n');
    expect((await platform.micro('stream', 'helloworld', 'Stream', '{"count":2}')).stdout).toBe(
      '{"count":"1"}\n{"count":"2"}\n',
    );
    expect((await platform.micro('stream', 'helloworld', 'PingPong', '{"stroke":1}', '{"stroke":2}')).stdout).toBe(
      '{"stroke":1}\n{"stroke":2}\n',
    );
  });

  it('reach a node without the registry', async () => {
    platform.registered.clear();
    expect(
      (await platform.micro('call', 'helloworld', 'Helloworld.Call', '{"name":"A"}', '--address', platform.address))
        .stdout,
    ).toBe('{"msg":"Hello A"}\n');
  });

  it('refuse malformed options', async () => {
    expect((await platform.micro('call', 'helloworld', 'Call', '{}', '--metadata', 'nope')).stderr).toMatch(
      /--metadata takes KEY=VALUE/,
    );
    expect((await platform.micro('call', 'helloworld', 'Call', '{}', '--timeout', 'soon')).stderr).toMatch(
      /--timeout must be a duration/,
    );
    expect((await platform.micro('call', 'helloworld', 'Call', '{}', '--address', 'nope')).stderr).toMatch(
      /--address must be host:port/,
    );
  });
});

describe('lists', () => {
  it('services', async () => {
    const { stdout } = await platform.micro('services');
    expect(stdout.split('\n')[0]).toMatch(/^NAME +VERSION +NODES +ENDPOINTS$/);
    expect(stdout).toMatch(/^helloworld +1\.0\.0 +127\.0\.0\.1:\d+ +Helloworld\.Call, /m);
    expect(JSON.parse((await platform.micro('services', '-o', 'json')).stdout)).toMatchObject([
      { name: 'helloworld' },
      { name: 'registry' },
    ]);
    expect((await platform.micro('services', '-o', 'raw')).stdout.split('\n')[0]!.split('\t')[0]).toBe('helloworld');
    expect((await platform.micro('services', '-n', 'empty')).stdout).toBe(
      'no services in namespace empty: run one with `micro run .`\n',
    );
    expect((await platform.micro('services', '-n', 'empty', '-o', 'json')).stdout).toBe('[]\n');
  });

  it('one service, with its fields', async () => {
    const { stdout } = await platform.micro('get', 'service', 'helloworld');
    for (const line of [
      'helloworld 1.0.0   namespace micro',
      '  Helloworld.Call  Says hello. Politely.',
      '      name: string',
      '      options: helloworld.Options',
    ])
      expect(stdout).toContain(line);
    const [data] = JSON.parse((await platform.micro('get', 'service', 'helloworld', '-o', 'json')).stdout) as {
      endpoints: { request: object }[];
    }[];
    expect(data!.endpoints[0]!.request).toEqual({
      name: { type: 'string' },
      options: { type: 'helloworld.Options', fields: { volume: { type: 'int64' } } },
      tags: { type: 'string, repeated' },
    });
  });

  it('registers and deregisters', async () => {
    expect((await platform.micro('register', 'legacy', '--address', '127.0.0.1:9')).code).toBe(0);
    expect((await platform.micro('services')).stdout).toContain('legacy');
    expect((await platform.micro('deregister', 'legacy', '--address', '127.0.0.1:9')).code).toBe(0);
    expect((await platform.micro('deregister', 'legacy')).code).toBe(4);
  });

  it('environments', async () => {
    expect((await platform.micro('env')).stdout).toMatch(/^\* +local +127\.0\.0\.1:8081$/m);
    expect((await platform.micro('env', 'add', 'lab', '127.0.0.1:1')).code).toBe(0);
    expect((await platform.micro('env', 'set', 'lab')).code).toBe(0);
    expect((await platform.micro('env', 'get')).stdout).toBe('lab\n');
    expect((await platform.micro('env', 'get', 'staging')).stdout).toBe('proxy.m3o.dev:443\n');
    expect(JSON.parse((await platform.micro('env', '-o', 'json')).stdout)).toContainEqual({
      name: 'lab',
      address: '127.0.0.1:1',
      builtIn: false,
      current: true,
    });
    expect((await platform.microWith({ env: { MICRO_PROXY_ADDRESS: '' } }, 'services')).stderr).toMatch(
      /127\.0\.0\.1:1 \(environment lab\)/,
    );
    expect((await platform.micro('--env', 'nope', 'services')).stderr).toMatch(
      /environment "nope" is unknown .*local, staging, platform, lab/,
    );
    expect((await platform.micro('env', 'del', 'lab')).code).toBe(0);
    expect((await platform.micro('env', 'get')).stdout).toBe('local\n');
    expect((await platform.micro('env', 'ad')).stderr).toMatch(/did you mean add/);
  });
});

describe('what runs', () => {
  it('is run, listed, read, updated and killed', async () => {
    const ran = await platform.microWith(
      { env: { HANDED: 'on', MICRO_API_ADDRESS: '127.0.0.1:9080' } },
      'run',
      platform.home,
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
    expect(platform.running[0]).toMatchObject({
      source: platform.home,
      wanted: 2,
      command: ['node', 'my server.js', '--x=y z'],
      metadata: { team: 'x', env: '{"A":"1","HANDED":"on"}' },
    });

    const { stdout } = await platform.micro('status');
    expect(stdout).toMatch(
      /^NAME +VERSION +SOURCE +STATUS +INSTANCES +UPDATED +METADATA\nhelloworld +latest +\S+ \(node .*\) +running +1\/2 +\d s ago +team=x/,
    );
    expect(JSON.parse((await platform.micro('status', '-o', 'json')).stdout)).toMatchObject([
      { name: 'helloworld', status: 'running', wanted: 2, instances: [{ pid: 4242, restarts: 1 }] },
    ]);
    expect((await platform.micro('status', 'helloworld')).stdout).toContain('4242');

    expect((await platform.micro('logs', 'helloworld', '-n', '2')).stdout).toBe('line 1\nline 2\n');
    expect(JSON.parse((await platform.micro('logs', 'helloworld', '-n', '1', '-o', 'json')).stdout)).toEqual({
      time: '2023-11-14T22:13:20.000Z',
      instance: 'i1',
      stream: 'stdout',
      text: 'line 1',
    });
    expect((await platform.micro('logs', 'helloworld', '--since', 'yesterday')).stderr).toMatch(/--since must be/);
    expect((await platform.micro('update', platform.home, '--instances', '3')).stdout).toBe(
      'helloworld latest is running\n',
    );
    expect((await platform.micro('kill', 'helloworld', 'helloworld')).code).toBe(0);
    expect((await platform.micro('status')).stdout).toMatch(/^nothing runs in namespace micro/);
  });

  it('says why it does not run', async () => {
    expect(await platform.micro('run', platform.home, '--name=broken')).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining(
        'error: broken did not start: build failed\n       src/main.ts:1:1 no\n       more of what it wrote: micro logs broken\n',
      ),
    });
    expect((await platform.micro('status')).stdout).toMatch(/ error .*build failed/);
    expect((await platform.micro('run', platform.home, '--name=broken')).code).toBe(127);
    expect((await platform.micro('run', join(platform.home, 'nothing'))).stderr).toMatch(/there is no folder/);
    expect((await platform.micro('kill', 'brokn')).stderr).toMatch(/did you mean broken\? \(there are broken\)/);
  });
});

describe('the rest', () => {
  it('shows help, of itself and of commands', async () => {
    for (const args of [[], ['--help'], ['help']])
      expect((await platform.micro(...args)).stdout).toMatch(/^micro runs and calls microservices/);
    expect((await platform.micro('run', '--help')).stdout).toMatch(/^Usage: micro run \[options\] \[source\]/);
    expect((await platform.micro('help', 'env')).stdout).toMatch(/add.*add an environment/);
    expect((await platform.micro('run', '--frce')).stderr).toBe(
      "error: unknown option '--frce' (Did you mean --force?) (usage: micro run --help)\n",
    );
    expect((await platform.micro('call')).stderr).toMatch(/missing required argument 'service'/);
  });

  it('shows versions', async () => {
    expect((await platform.micro('--version')).stdout).toMatch(/^micro +\d+\.\d+\.\d+\nserver +1\.0\.0\nnode +v/);
    expect(JSON.parse((await platform.micro('version', '-o', 'json')).stdout)).toMatchObject({
      server: '1.0.0',
      node: process.version,
    });
  });

  it('completes words', async () => {
    const words = async (...args: string[]) =>
      (await platform.micro('__complete', ...args)).stdout.split('\n').filter(Boolean);
    expect(await words('s')).toEqual(['server', 'services', 'status', 'stream']);
    expect(await words('hel')).toEqual(['helloworld', 'help']);
    expect(await words('helloworld', 'p')).toEqual(['ping-pong']);
    expect(await words('helloworld', 'call', '--')).toEqual(['--help', '--name=', '--options.volume=', '--tags=']);
    expect(await words('env', 'set', '')).toEqual(['local', 'platform', 'staging']);
    expect(await words('-o', '')).toEqual(['json', 'raw', 'table', 'yaml']);
    expect(await words('call', 'helloworld', 'Helloworld.S')).toEqual(['Helloworld.Slow', 'Helloworld.Stream']);
    expect(await words('run', '--fo')).toEqual(['--force']);
    expect(await words('nobody', '')).toEqual([]);
  });

  it('colours only what somebody sees', async () => {
    expect((await platform.microWith({ isTTY: true }, 'env')).stdout).toContain('\u001B[');
    expect((await platform.microWith({ isTTY: true, env: { NO_COLOR: '1' } }, 'env')).stdout).not.toContain('\u001B[');
    expect((await platform.micro('env')).stdout).not.toContain('\u001B[');
  });

  it('says more when asked to', async () => {
    const { stderr } = await platform.micro('--verbose', 'helloworld', 'fail', '--code=internal');
    expect(stderr).toMatch(/caused by MicroError/);
    expect(stderr).toMatch(/code: internal/);
    expect((await runMicro(['--verbose', '-o', 'nope', 'env'], { env: { MICRO_HOME: platform.home } })).stderr).toMatch(
      /output "nope" is unknown/,
    );
  });
});
