import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { compileProgram, startProgram, temporaryFolder, type TestPlatform, until } from '@micro/testing';
import type { Failed, Flow, Said, Use } from './worker.program.js';

/** The service of worker.program.ts, with what it has said so far. */
export interface Worker extends AsyncDisposable {
  readonly pid: number;
  /** How many of this use were acknowledged: those with the numbers below. */
  done(use: Use): number;
  /** In the order in which they came. */
  readonly failures: readonly Failed[];
  /** Numbers that came, in that order. */
  got(flow: Flow): readonly number[];
  /** Waits until so many more of each use are acknowledged. */
  more(count: number, uses?: readonly Use[]): Promise<void>;
  /** Waits until everything that is acknowledged has come to every flow, and of messages what is published from here on. */
  caughtUp(): Promise<void>;
}

/** Milliseconds: elections, and a machine that does other things too. */
const patience = 60_000;

const allUses: readonly Use[] = ['call', 'message', 'event', 'record'];

export async function startWorker({ env }: TestPlatform): Promise<Worker> {
  const folder = await temporaryFolder();
  const file = await compileProgram(new URL('worker.program.ts', import.meta.url), folder.path);
  const program = startProgram(file, { ...env, MICRO_PROFILE: 'service' });
  const done = new Map<Use, number>();
  const failures: Failed[] = [];
  const got = new Map<Flow, number[]>();
  createInterface(program.child.stdout as Readable).on('line', (line) => {
    const said = JSON.parse(line) as Said;
    if ('did' in said) done.set(said.did, said.number + 1);
    else if ('failed' in said) failures.push(said);
    else got.set(said.got, [...(got.get(said.got) ?? []), said.number]);
  });
  const doneOf = (use: Use) => done.get(use) ?? 0;
  const gotOf = (flow: Flow) => got.get(flow) ?? [];
  const wait = (what: string, condition: () => boolean) =>
    until(
      what,
      () => {
        if (program.child.exitCode !== null) return 'ended' as const;
        return condition();
      },
      patience,
    ).then((result) => {
      if (result === 'ended') throw new Error(`the worker ended:\n${program.output().slice(-2_000)}`);
    });
  const more = async (count: number, uses = allUses) => {
    for (const [use, before] of uses.map((one) => [one, doneOf(one)] as const))
      await wait(`${count} more of ${use}`, () => doneOf(use) >= before + count);
  };
  const caughtUp = async () => {
    const [event, record, message] = [doneOf('event'), doneOf('record'), doneOf('message')];
    const all = (flow: Flow, count: number) => new Set(gotOf(flow)).size >= count;
    await wait('all events are handled', () => all('handled event', event));
    await wait('all events are followed', () => all('followed event', event));
    await wait('all records are seen', () => all('record', record));
    await wait('messages come', () => (gotOf('message').at(-1) ?? -1) > message);
  };
  return {
    pid: program.pid,
    done: doneOf,
    failures,
    got: gotOf,
    more,
    caughtUp,
    [Symbol.asyncDispose]: async () => {
      await program.stop();
      await folder[Symbol.asyncDispose]();
    },
  };
}
