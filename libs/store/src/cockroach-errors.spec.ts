import { MicroError } from '@micro/errors';
import { describe, expect, it } from 'vitest';
import { isBroken, isConflict, isLost, translated } from './cockroach-errors.js';

const failure = (code: string, message = 'postgres://me:hunter2@host') => Object.assign(new Error(message), { code });

describe('what CockroachDB and its client say', () => {
  it.each([
    ['40001', 'aborted'],
    ['40P01', 'aborted'],
    ['40003', 'unavailable'],
    ['57014', 'deadline_exceeded'],
    ['25P03', 'unavailable'],
    ['57P01', 'unavailable'],
    ['57P03', 'unavailable'],
    ['08006', 'unavailable'],
    ['53100', 'resource_exhausted'],
    ['53200', 'resource_exhausted'],
    ['53300', 'resource_exhausted'],
    ['28P01', 'failed_precondition'],
    ['3D000', 'failed_precondition'],
    ['42501', 'failed_precondition'],
    ['42P01', 'failed_precondition'],
    ['25006', 'unavailable'],
    ['58030', 'unavailable'],
    ['XX001', 'data_loss'],
    ['ECONNREFUSED', 'unavailable'],
    ['ECONNRESET', 'unavailable'],
    ['ENOTFOUND', 'unavailable'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'failed_precondition'],
    ['CERT_HAS_EXPIRED', 'failed_precondition'],
    ['22012', 'internal'],
  ])('%s is %s, with the address and without what else it said', (code, expected) => {
    const error = translated(failure(code), 'db.example.com:26257');
    expect(error).toMatchObject({ code: expected, id: 'store' });
    expect(JSON.stringify(error)).not.toContain('hunter2');
    if (expected !== 'internal') expect(error.detail).toContain('db.example.com:26257');
  });

  it('is made again where that is safe, and on another connection where that is needed', () => {
    const kinds = (error: unknown) => [isConflict(error), isLost(error), isBroken(error)];
    expect(kinds(failure('40001'))).toEqual([true, false, false]);
    expect(kinds(failure('23505'))).toEqual([false, false, false]);
    expect(kinds(failure('57P01'))).toEqual([false, true, true]);
    expect(kinds(failure('ECONNRESET'))).toEqual([false, true, true]);
    expect(kinds(new Error('Connection terminated unexpectedly'))).toEqual([false, true, true]);
    // Whether it stands still or is slow: asking again would take as long again.
    expect(kinds(new Error('Query read timeout'))).toEqual([false, false, true]);
    expect(kinds(new MicroError('aborted', 'a condition does not hold'))).toEqual([false, false, false]);
  });
});
