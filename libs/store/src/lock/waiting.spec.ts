import { type Code, MicroError } from '@micro/errors';
import { expect, it } from 'vitest';
import { checkedClaim } from './validation.js';
import { type Look, Waiting } from './waiting.js';

const claim = checkedClaim('a', 'one');
const failure = (code: Code) => new MicroError(code, 'not now', { id: 'store' });

it.each(['unavailable', 'deadline_exceeded', 'resource_exhausted', 'aborted'] as const)(
  'who waits goes on waiting when a look ends with %s',
  async (code) => {
    const looks: (Look | MicroError)[] = [{ token: undefined, again: 1 }, failure(code), failure(code), { token: 7n }];
    const grant = await new Waiting().take(claim, async () => {
      const look = looks.shift() as Look | MicroError;
      if (look instanceof MicroError) throw look;
      return look;
    });
    expect(grant.token).toBe(7n);
  },
);

it.each(['unavailable', 'failed_precondition', 'permission_denied'] as const)(
  'who begins to wait is told of %s',
  async (code) => {
    const waiting = new Waiting();
    await expect(waiting.take(claim, () => Promise.reject(failure(code)))).rejects.toMatchObject({ code });
    expect(waiting.waitFor(claim.key)).toBe(false);
  },
);

it('who waits is told of what does not pass', async () => {
  let first = true;
  const refused = new Waiting().take(claim, async () => {
    if (!first) throw failure('permission_denied');
    first = false;
    return { token: undefined, again: 1 };
  });
  await expect(refused).rejects.toMatchObject({ code: 'permission_denied' });
});
