import { describe, expect, it } from 'vitest';
import { childTraceparent, createLogger, isTraceparent, Metrics, newTraceparent, traceId } from './index.js';

function lines() {
  const written: string[] = [];
  return { written, stream: { write: (line: string) => written.push(line) } };
}

describe('logger', () => {
  it('writes one JSON object a line, with its fields', () => {
    const { written, stream } = lines();
    createLogger({ name: 'orders', stream }).child({ namespace: 'micro' }).warn('slow call', { ms: 12 });
    expect(JSON.parse(written[0] ?? '')).toMatchObject({
      name: 'orders',
      level: 'warn',
      message: 'slow call',
      namespace: 'micro',
      ms: 12,
    });
  });

  it('writes errors with stack and cause', () => {
    const { written, stream } = lines();
    createLogger({ name: 'orders', stream }).error('failed', {
      error: new Error('outer', { cause: new Error('inner') }),
    });
    expect(written[0]).toContain('outer');
    expect(written[0]).toContain('inner');
  });

  it('keeps apart what a line says itself and what fields are called', () => {
    const { written, stream } = lines();
    createLogger({ name: 'orders', stream }).info('greeting', { name: 'Alice', message: 'hi' });
    expect(written[0]?.match(/"(?:name|message)":/g)).toHaveLength(2);
    expect(JSON.parse(written[0] ?? '')).toMatchObject({
      name: 'orders',
      message: 'greeting',
      name_: 'Alice',
      message_: 'hi',
    });
  });

  it('shows nothing of a caller that a terminal would obey, or that looks like a line of its own', () => {
    const { written, stream } = lines();
    createLogger({ name: 'orders', format: 'pretty', stream }).warn('two\nlines', {
      path: 'x\n12:00:00.000 ERROR all lost',
      color: '\u001b[31m',
    });
    expect(written[0]).toMatch(/ WARN {2}two\n {4}lines path=x\\x0a12:00:00\.000 ERROR all lost color=\\x1b\[31m\n$/);
  });

  it('is readable when pretty, and leaves out what is below its level', () => {
    const { written, stream } = lines();
    const logger = createLogger({ name: 'orders', format: 'pretty', stream });
    logger.debug('unseen');
    logger.info('listening', { address: '127.0.0.1:1' });
    expect(written).toHaveLength(1);
    expect(written[0]).toMatch(/^\d\d:\d\d:\d\d\.\d{3} info {2}listening address=127\.0\.0\.1:1\n$/);
  });
});

describe('metrics', () => {
  it('counts calls in cumulative buckets', async () => {
    const metrics = new Metrics();
    for (const seconds of [0.0004, 0.02, 60]) {
      metrics.callStarted('server');
      metrics.callFinished('server', '/helloworld.Helloworld/Call', 'ok', seconds);
    }
    metrics.callStarted('server');
    const text = await metrics.render();
    const of = (rest: string) => text.split('\n').find((line) => line.startsWith(`micro_rpc_server_${rest}`));
    const labels = 'method="/helloworld.Helloworld/Call",code="ok"';
    expect(of(`duration_seconds_bucket{${labels},le="0.0005"}`)).toMatch(/ 1$/);
    expect(of(`duration_seconds_bucket{${labels},le="10"}`)).toMatch(/ 2$/);
    expect(of(`duration_seconds_bucket{${labels},le="+Inf"}`)).toMatch(/ 3$/);
    expect(of(`duration_seconds_count{${labels}}`)).toMatch(/ 3$/);
    expect(of('in_flight')).toMatch(/ 1$/);
    expect(text).toContain('process_resident_memory_bytes');
  });
});

describe('trace context', () => {
  it('makes valid, distinct identifiers', () => {
    const made = new Set(Array.from({ length: 1000 }, newTraceparent));
    expect(made.size).toBe(1000);
    for (const one of made) expect(isTraceparent(one)).toBe(true);
  });

  it('keeps trace and flags in a child, with a span of its own', () => {
    const parent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00';
    const child = childTraceparent(parent);
    expect(traceId(child)).toBe(traceId(parent));
    expect(child).not.toBe(parent);
    expect(child.endsWith('-00')).toBe(true);
  });

  it.each([
    undefined,
    '',
    'x',
    `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01`,
    `ff-${'1'.repeat(32)}-${'1'.repeat(16)}-01`,
  ])('starts a new trace where the parent is %s', (parent) => {
    expect(isTraceparent(childTraceparent(parent))).toBe(true);
  });
});
