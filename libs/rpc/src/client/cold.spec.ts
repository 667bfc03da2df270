import { parseSchema } from '@micro/proto';
import { compileProgram, startProgram, temporaryFolder } from '@micro/testing';
import { expect, it } from 'vitest';
import { RpcServer } from '../server/server.js';

it('a process that calls over Connect only does not load HTTP/2', { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  const schema = parseSchema({
    'echo.proto': `syntax = "proto3"; package echo; message Text { string text = 1; } service Echo { rpc Say(Text) returns (Text); }`,
  });
  const server = new RpcServer({ name: 'echo', port: 0 }).add(schema.service('echo.Echo'), {
    say: (request: { text: string }) => request,
  });
  const { host, port } = await server.listen();
  try {
    const file = await compileProgram(new URL('cold.program.ts', import.meta.url), folder.path);
    await using program = startProgram(file, {}, [`${host}:${port}`]);
    await program.exited;
    expect(JSON.parse(program.output())).toEqual({ answer: { text: 'hello' }, http2: false });
  } finally {
    await server.close();
  }
});
