/** What outside-runtime.ts starts: a runtime, which says when it is open, does what it is told line by line, and can be killed. */
import { createInterface } from 'node:readline';
import { ProcessRuntime } from './process.js';
import type { CreateService } from './runtime.js';

export interface OutsideOptions {
  readonly home: string;
  readonly session: string;
}

const options = JSON.parse(process.argv[2] ?? '{}') as OutsideOptions;
const timing = { settle: 200, grace: 3_000, restart: { minDelay: 20, maxDelay: 200 } };
// eslint-disable-next-line no-restricted-properties -- stands in for the app, which gets it from libs/platform
const runtime = await ProcessRuntime.open({ ...options, env: process.env, timing });
const say = (what: unknown) => process.stdout.write(`${JSON.stringify(what)}\n`);
say('open');
process.once('SIGTERM', () => void runtime.close().then(() => process.exit(0)));
for await (const line of createInterface(process.stdin)) {
  const request = JSON.parse(line) as { create?: CreateService; logs?: string };
  if (request.create) for await (const step of runtime.create(request.create)) say(step);
  else if (request.logs) say(await texts(request.logs));
  else say(await runtime.read());
}

async function texts(name: string): Promise<string[]> {
  const said: string[] = [];
  for await (const { text } of runtime.logs({ name })) said.push(text);
  return said;
}
