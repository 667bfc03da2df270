import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { eachWithPlatform, runMicro } from './program.fixture.js';

const platform = eachWithPlatform();

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
    const ran = await platform().micro('helloworld', 'fail', `--code=${code}`);
    expect(ran).toMatchObject({ code: expected, stdout: '' });
    expect(ran.stderr).toMatch(/^error: .*\n$/);
  });

  it('of calls that cannot be made', async () => {
    expect((await platform().micro('call', 'helloworld', 'a b')).code).toBe(3);
    expect((await platform().micro('call', 'helloworld', 'Helloworld.Call.More')).code).toBe(3);
    expect((await platform().micro('call', 'nobody', 'Nobody.Call')).code).toBe(4);
    expect((await platform().micro('call', 'helloworld', 'Helloworld.Nothing')).code).toBe(5);
    expect((await platform().micro('helloworld', 'nothing')).code).toBe(5);
    expect((await platform().micro('call', 'helloworld', 'Helloworld.Call', '{')).code).toBe(1);
    expect((await platform().micro('call', 'helloworld', 'Helloworld.Slow', '{}', '--timeout', '50ms')).code).toBe(1);
    expect((await platform().micro('kill', 'nobody')).code).toBe(4);
    expect((await platform().micro('status', 'nobody')).code).toBe(4);
    expect((await platform().micro('get', 'service', 'nobody')).code).toBe(4);
  });

  it('of a namespace that cannot be one is 1', async () => {
    const ran = await platform().micro('-n', '../x', 'services');
    expect(ran).toMatchObject({ code: 1, stderr: expect.stringContaining('namespace "../x" is not legal') });
  });

  it('without a server is 4, and says how to start one', async () => {
    const proxy = `127.0.0.1:${await freePort()}`;
    const ran = await platform().micro('--proxy-address', proxy, 'helloworld');
    expect(ran.code).toBe(4);
    expect(ran.stderr).toBe(
      `error: cannot reach the server at ${proxy} (--proxy-address): start it with \`micro server\`, or choose another with --env or --proxy-address\n`,
    );
    expect((await platform().micro('--proxy-address', proxy, 'services')).code).toBe(4);
    expect((await platform().micro('--proxy-address', proxy, 'sevrer')).stderr).toMatch(/did you mean server\?/);
  });

  it('where a server is reached over TLS is 4, and says that this cannot be', async () => {
    const { microWith } = platform();
    const env = { MICRO_PROXY_ADDRESS: '' };
    for (const words of [
      ['-e', 'staging', 'services'],
      ['call', 'a', 'A.B', '-e', 'staging'],
      ['-e', 'staging', 'a'],
    ]) {
      const { code, stderr } = await microWith({ env }, ...words);
      expect({ code, stderr }, words.join(' ')).toMatchObject({
        code: 4,
        stderr: expect.stringContaining('proxy.m3o.dev:443 (environment staging) is reached over TLS'),
      });
    }
    expect((await microWith({ env }, '-e', 'platform', 'doctor')).stdout).toContain('environment platform');
  });
});

describe('resolution', () => {
  it('says of an unknown word that it is, with the nearest names', async () => {
    expect(await platform().micro('hellowrld', '--name=x')).toEqual({
      code: 4,
      stdout: '',
      stderr: 'error: "hellowrld" is neither a command nor a service in namespace micro; did you mean helloworld?\n',
    });
    expect((await platform().micro('statsu')).stderr).toMatch(/did you mean status\?/);
    expect((await platform().micro('zzzzzzzzz')).stderr).toMatch(/see `micro --help` for commands/);
  });

  it('prefers built-in commands to programs on PATH, and those to services', async () => {
    const bin = join(platform().home, 'bin');
    mkdirSync(bin);
    for (const name of ['micro-env', 'micro-helloworld']) {
      writeFileSync(join(bin, name), `#!/bin/sh\nexit $(( $# + 40 ))\n`);
      chmodSync(join(bin, name), 0o755);
    }
    writeFileSync(join(bin, 'micro-notes'), 'not executable');
    const env = { PATH: `${bin}:${process.env['PATH']}` };
    expect((await platform().microWith({ env }, 'env')).code).toBe(0);
    expect((await platform().microWith({ env }, 'helloworld', '--name=a', 'b')).code).toBe(42);
    expect((await platform().microWith({ env }, 'notes')).code).toBe(4);
    expect((await platform().microWith({ env }, '../micro-env')).code).toBe(4);
  });

  it('hands global flags to programs on PATH as variables', async () => {
    const bin = join(platform().home, 'bin');
    mkdirSync(bin);
    writeFileSync(
      join(bin, 'micro-show'),
      '#!/bin/sh\n[ "$MICRO_NAMESPACE" = team ] && [ "$MICRO_OUTPUT" = json ] && exit 7\n',
    );
    chmodSync(join(bin, 'micro-show'), 0o755);
    expect(
      (
        await platform().microWith(
          { env: { PATH: `${bin}:${process.env['PATH']}` } },
          '-n',
          'team',
          '-o',
          'json',
          'show',
        )
      ).code,
    ).toBe(7);
  });
});

describe('the program', () => {
  it('shows help, of itself and of commands', async () => {
    for (const args of [[], ['--help'], ['help']])
      expect((await platform().micro(...args)).stdout).toMatch(/^micro runs and calls microservices/);
    expect((await platform().micro('run', '--help')).stdout).toMatch(/^Usage: micro run \[options\] \[source\]/);
    expect((await platform().micro('help', 'env')).stdout).toMatch(/add.*add an environment/);
    expect((await platform().micro('run', '--frce')).stderr).toBe(
      "error: unknown option '--frce' (Did you mean --force?) (usage: micro run --help)\n",
    );
    expect((await platform().micro('events', 'consume', 'orders')).stderr).toBe(
      "error: required option '--group <NAME>' not specified (usage: micro events consume --help)\n",
    );
    expect((await platform().micro('store', 'raed', 'a')).stderr).toMatch(
      /^error: micro store has no command "raed".*read.*\(read, write, .*\(usage: micro store --help\)\n$/,
    );
    expect((await platform().micro('store', 'databases', 'x')).stderr).toMatch(
      /^error: too many arguments.*\(usage: micro store databases --help\)\n$/,
    );
    expect((await platform().micro('get')).stderr).toMatch(/micro get needs one more word: service /);
    expect((await platform().micro('call')).stderr).toMatch(/missing required argument 'service'/);
  });

  it('shows versions', async () => {
    expect((await platform().micro('--version')).stdout).toMatch(/^micro +\d+\.\d+\.\d+\nserver +1\.0\.0\nnode +v/);
    expect(JSON.parse((await platform().micro('version', '-o', 'json')).stdout)).toMatchObject({
      server: '1.0.0',
      node: process.version,
    });
  });

  it('colours only what somebody sees', async () => {
    expect((await platform().microWith({ isTTY: true }, 'env')).stdout).toContain('\u001B[');
    expect((await platform().microWith({ isTTY: true, env: { NO_COLOR: '1' } }, 'env')).stdout).not.toContain(
      '\u001B[',
    );
    expect((await platform().micro('env')).stdout).not.toContain('\u001B[');
  });

  it('says more when asked to', async () => {
    const { stderr } = await platform().micro('--verbose', 'helloworld', 'fail', '--code=internal');
    expect(stderr).toMatch(/caused by MicroError/);
    expect(stderr).toMatch(/code: internal/);
    expect(
      (await runMicro(['--verbose', '-o', 'nope', 'env'], { env: { MICRO_HOME: platform().home } })).stderr,
    ).toMatch(/output "nope" is unknown/);
  });
});
