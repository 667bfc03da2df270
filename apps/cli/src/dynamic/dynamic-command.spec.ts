import { describe, expect, it } from 'vitest';
import { eachWithPlatform } from '../program.fixture.js';

const platform = eachWithPlatform();

describe('dynamic commands', () => {
  it('call an endpoint with flags', async () => {
    expect(await platform().micro('helloworld', '--name=Alice')).toEqual({
      code: 0,
      stdout: '{"msg":"Hello Alice"}\n',
      stderr: '',
    });
    expect(await platform().micro('helloworld', 'call', '--name', 'Bob', '-o', 'yaml')).toEqual({
      code: 0,
      stdout: 'msg: Hello Bob\n',
      stderr: '',
    });
    expect((await platform().micro('helloworld', 'helloworld', 'call', '--name=Eve')).stdout).toBe(
      '{"msg":"Hello Eve"}\n',
    );
  });

  it('print each message of a stream', async () => {
    expect(await platform().micro('helloworld', 'stream', '--count=3')).toEqual({
      code: 0,
      stdout: '{"count":"1"}\n{"count":"2"}\n{"count":"3"}\n',
      stderr: '',
    });
    expect((await platform().micro('-o', 'yaml', 'helloworld', 'stream', '--count=2')).stdout).toBe(
      '---\ncount: "1"\n---\ncount: "2"\n',
    );
  });

  it('send a stream from standard input, or one message from flags', async () => {
    expect(await platform().microWith({ input: '{"stroke":1}\n\n{"stroke":2}\n' }, 'helloworld', 'ping-pong')).toEqual({
      code: 0,
      stdout: '{"stroke":1}\n{"stroke":2}\n',
      stderr: '',
    });
    expect((await platform().micro('helloworld', 'pingPong', '--stroke=5')).stdout).toBe('{"stroke":5}\n');
    const wrong = await platform().microWith({ input: '{"stroke":1}\nnope\n' }, 'helloworld', 'pingpong');
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/line 2 of standard input is not JSON/);
  });

  it('are found in the namespace, then in micro; flags may stand before and after', async () => {
    platform().registered.set('team', platform().registered.get('micro')!.slice(0, 1));
    expect((await platform().micro('-n', 'team', 'helloworld', '--name=A')).stdout).toBe(
      '{"msg":"Hello A","namespace":"team"}\n',
    );
    expect((await platform().micro('helloworld', '--name=A', '--namespace', 'team')).stdout).toBe(
      '{"msg":"Hello A","namespace":"team"}\n',
    );
    expect((await platform().micro('-n', 'other', 'helloworld', '--name=A')).stdout).toBe('{"msg":"Hello A"}\n');
  });

  it('show help made from the schema', async () => {
    const { stdout, code } = await platform().micro('helloworld', '--help');
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
    const { stdout: endpoint } = await platform().micro('help', 'helloworld', 'call');
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
