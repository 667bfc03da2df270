import { readFileSync } from 'node:fs';
import { freePort, startProgram, temporaryFolder, until, workspaceRoot } from '@micro/testing';
import { expect, it } from 'vitest';

/** As built by `nx build`, and started as a user does in two terminals: no server, nothing installed, no address given. */
const built = (example: string) => `${workspaceRoot}examples/${example}/dist/src/main.js`;

it('finds and calls helloworld, whichever of them is started first', async () => {
  await using home = await temporaryFolder();
  const env = { MICRO_HOME: home.path, MICRO_MDNS_PORT: String(await freePort()) };
  await using greeter = startProgram(built('greeter'), env);
  const address = await greeter.ready();
  const greet = async (...names: string[]) => {
    const answer = await fetch(`http://${address}/greeter.Greeter/Greet`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ names }),
    });
    return { status: answer.status, body: (await answer.json()) as unknown };
  };
  expect(await greet('Alice')).toMatchObject({ status: 404, body: { code: 'not_found' } });

  await using helloworld = startProgram(built('helloworld'), env);
  await helloworld.ready();
  const found = await until('greeter has found helloworld', async () => {
    const answer = await greet('Alice', 'Bob');
    return answer.status === 200 && answer;
  });
  expect(found.body).toEqual({ greetings: ['Hello Alice', 'Hello Bob'] });

  await helloworld.stop();
  await until('helloworld is gone', async () => (await greet('Alice')).status === 404);
});

it('has a copy of what helloworld offers now', () => {
  const [copy, original] = ['greeter', 'helloworld'].map((name) =>
    readFileSync(`${workspaceRoot}examples/${name}/proto/helloworld.proto`, 'utf8'),
  );
  expect(copy).toBe(original);
});
