import { describe, expect, it } from 'vitest';
import { codeFromGrpc, codeFromHttp, codes, isCode, MicroError } from './index.js';

describe('codes', () => {
  it('maps every code to gRPC and back', () => {
    for (const [name, { grpc }] of Object.entries(codes)) expect(codeFromGrpc(grpc)).toBe(name);
    expect(Object.values(codes).map(({ grpc }) => grpc)).toEqual(Array.from({ length: 16 }, (_, index) => index + 1));
  });

  it('maps statuses that no code produces', () => {
    expect(codeFromHttp(404)).toBe('not_found');
    expect(codeFromHttp(418)).toBe('invalid_argument');
    expect(codeFromHttp(599)).toBe('internal');
    expect(codeFromGrpc(99)).toBe('unknown');
  });

  it('does not take inherited names for codes', () => {
    expect(isCode('toString')).toBe(false);
    expect(isCode('not_found')).toBe(true);
  });
});

describe('MicroError', () => {
  it('serialises to id, code, detail and status', () => {
    const error = new MicroError('not_found', 'no such greeting', { id: 'helloworld' });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      id: 'helloworld',
      code: 'not_found',
      detail: 'no such greeting',
      status: 404,
    });
    expect(MicroError.from(JSON.parse(JSON.stringify(error)))).toMatchObject({ id: 'helloworld', code: 'not_found' });
  });

  it('returns a MicroError unchanged', () => {
    const error = new MicroError('aborted', 'try again');
    expect(MicroError.from(error)).toBe(error);
  });

  it.each([
    [Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), 'unavailable'],
    [Object.assign(new Error('x'), { code: 'ENOSPC' }), 'resource_exhausted'],
    [Object.assign(new Error('5 NOT_FOUND: x'), { code: 5, details: 'x' }), 'not_found'],
    [new DOMException('x', 'AbortError'), 'canceled'],
    [new DOMException('x', 'TimeoutError'), 'deadline_exceeded'],
  ])('keeps the meaning of %s', (thrown, code) => {
    expect(MicroError.from(thrown).code).toBe(code);
  });

  it('never leaks the message of an internal fault, and keeps it as the cause', () => {
    const cause = new TypeError('password is hunter2');
    const error = MicroError.from(cause, 'auth');
    expect(JSON.stringify(error)).not.toContain('hunter2');
    expect(error).toMatchObject({ id: 'auth', code: 'internal', cause });
    expect(MicroError.from('thrown string').cause).toBe('thrown string');
  });
});
