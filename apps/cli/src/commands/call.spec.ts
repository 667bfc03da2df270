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

  it('warn of fields that the request does not have, and call all the same', async () => {
    const call = (request: string, ...more: string[]) =>
      platform().micro('call', 'helloworld', 'call', request, ...more);
    expect(await call('{"nmae":"A"}')).toEqual({
      code: 0,
      stdout: '{"msg":"Hello "}\n',
      stderr:
        "warning: the request's field nmae is ignored; did you mean name? (helloworld.CallRequest has name, options, tags)\n",
    });
    expect(await call('{"name":"A","options":{"vloume":"3"}}', '-o', 'json')).toMatchObject({
      code: 0,
      stdout: '{\n  "msg": "Hello A"\n}\n',
      stderr: expect.stringMatching(/^warning: .* field options\.vloume is ignored; did you mean volume\? .*\n$/),
    });
    expect((await call('{"name":"A","options":{"volume":"3"},"tags":["x"]}')).stderr).toBe('');
    const atNode = await call('{"nmae":"A"}', '--address', platform().address);
    expect(atNode.stderr).toContain('did you mean name?');
    expect((await platform().micro('call', 'helloworld', 'fail', '{"code":"internal","cdoe":1}')).stderr).toMatch(
      /^warning: .* field cdoe is ignored; did you mean code\? .*\nerror: failed with internal .*\n$/,
    );
    platform().registered.clear();
    const unknown = ['helloworld', 'Helloworld.Call', '{"nmae":"A"}', '--address', platform().address];
    expect(await platform().micro('call', ...unknown)).toMatchObject({ code: 0, stderr: '' });
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
