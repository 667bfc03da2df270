import { until } from '@micro/testing';
import { expect, it } from 'vitest';
import { patience } from './broker.js';
import { Outlet, type Posted } from './outlet.js';

const parcel = (text: string, milliseconds: number, settle: () => void) => ({
  frame: Buffer.from(text),
  deadline: performance.now() + milliseconds,
  settle,
});

it('who turns up while the only other of a queue answers nothing gets what is published from then on', async () => {
  const outlet = new Outlet();
  const given: string[] = [];
  const member = (id: string, send: () => Posted) => ({
    id,
    send: (frames: readonly Buffer[]) => {
      given.push(...frames.map((frame) => `${id} ${String(frame)}`));
      return send();
    },
    leave: () => undefined,
  });
  const never = { outcome: new Promise<never>(() => undefined), cancel: () => undefined };
  outlet.add(member('stopped', () => never));
  outlet.push(parcel('first', patience, () => undefined));
  outlet.add(member('other', () => ({ outcome: Promise.resolve({ taken: 1, waiting: 0 }), cancel: () => undefined })));
  let settled = false;
  outlet.push(parcel('second', 10 * patience, () => (settled = true)));
  await until('the second is settled', () => settled);
  expect(given).toEqual(['stopped first', 'other second']);
});
