import { haveTool, run, toolPath } from '@micro/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { echo, Http2Rig } from './http2.rig.js';

/** github.com/summerwind/h2spec: what RFC 9113 and RFC 7541 ask of a server, asked from outside. */
const h2spec = haveTool({ name: 'h2spec', go: 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible' });

describe.runIf(h2spec)('HTTP/2', () => {
  let rig: Http2Rig;
  beforeAll(async () => {
    rig = await Http2Rig.open(echo);
  });
  afterAll(() => rig.close());

  it('is as its specifications want it, every case of h2spec', async () => {
    const { code, stdout } = await run('h2spec', ['--strict', '-h', '127.0.0.1', '-p', String(rig.port), '-o', '2'], {
      env: { ...process.env, PATH: toolPath() },
    });
    const failures = stdout.slice(stdout.indexOf('Failures:')).trim();
    expect(stdout).toMatch(/\d{3} tests, \d{3} passed, 0 skipped, 0 failed/);
    expect({ code, failures: stdout.includes('Failures:') ? failures : '' }).toEqual({ code: 0, failures: '' });
  }, 300_000);
});
