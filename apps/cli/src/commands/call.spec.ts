import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eachWithPlatform } from '../program.fixture.js';

const platform = eachWithPlatform();

describe('call and stream', () => {
  it('take JSON from the line, a file or standard input', async () => {
    const file = join(platform().home, 'request.json');
    writeFileSync(file, '{"name":"File"}');
    expect((await platform().micro('call', 'helloworld', 'Helloworld.Call', '{"name":"A"}')).stdout).toBe(
      '{"msg":"Hello A"}\n',
    );
    expect((await platform().micro('call', 'helloworld', 'call', `@${file}`)).stdout).toBe('{"msg":"Hello File"}\n');
    expect(
      (await platform().microWith({ input: '{"name":"In"}' }, 'call', 'helloworld', 'helloworld.Helloworld/Call', '-'))
        .stdout,
    ).toBe('{"msg":"Hello In"}\n');
    expect((await platform().micro('stream', 'helloworld', 'Stream', '{"count":2}')).stdout).toBe(
      '{"count":"1"}\n{"count":"2"}\n',
    );
    expect((await platform().micro('stream', 'helloworld', 'PingPong', '{"stroke":1}', '{"stroke":2}')).stdout).toBe(
      '{"stroke":1}\n{"stroke":2}\n',
    );
  });

  it('are each for their kind of endpoint', async () => {
    expect(await platform().micro('call', 'helloworld', 'stream', '{"count":2}')).toMatchObject({
      code: 5,
      stderr: 'error: Helloworld.Stream streams: use `micro stream helloworld stream`\n',
    });
    expect((await platform().micro('stream', 'helloworld', 'call', '{"name":"A"}')).stdout).toBe('{"msg":"Hello A"}\n');
  });

  it('reach a node without the registry', async () => {
    platform().registered.clear();
    expect(
      (await platform().micro('call', 'helloworld', 'Helloworld.Call', '{"name":"A"}', '--address', platform().address))
        .stdout,
    ).toBe('{"msg":"Hello A"}\n');
  });

  it('refuse malformed options', async () => {
    expect((await platform().micro('call', 'helloworld', 'Call', '{}', '--metadata', 'nope')).stderr).toMatch(
      /--metadata takes KEY=VALUE/,
    );
    expect((await platform().micro('call', 'helloworld', 'Call', '{}', '--timeout', 'soon')).stderr).toMatch(
      /--timeout must be a duration/,
    );
    expect((await platform().micro('call', 'helloworld', 'Call', '{}', '--address', 'nope')).stderr).toMatch(
      /--address must be host:port/,
    );
  });
});
