import { describe, expect, it } from 'vitest';
import { notStarted, because } from './failed-start.js';
import type { RuntimeService } from './runtime.js';

describe('why a service did not start', () => {
  it('is told without what Node says about itself', () => {
    const written = [
      'exited with code 1 after 0.1 s',
      '      ^',
      'Error: no database at db:5432',
      '    at connect (/x/src/main.ts:1:7)',
      '    at ModuleJob.run (node:internal/modules/esm/module_job:325:25)',
      '    at node:internal/main/run_main_module:28:49',
      'Node.js v20.20.2',
    ];
    expect(because(written.join('\n'))).toBe(
      ': exited with code 1 after 0.1 s\nError: no database at db:5432\n    at connect (/x/src/main.ts:1:7)',
    );
  });

  it('keeps what is drawn in its columns', () => {
    const drawn = '  x Expression expected\n  1 | const x = ;\n    :           ^';
    expect(because(drawn)).toBe(`:\n${drawn}`);
    expect(because('')).toBe('');
  });

  it('is followed by what to do', () => {
    const service = {
      name: 'a',
      command: ['nope', '--x'],
      message: 'could not be started\nthe program nope was not found',
    };
    const { message } = notStarted(service as RuntimeService);
    expect(message).toContain('give another --command');
    expect(message).not.toContain('micro logs');
    expect(notStarted({ ...service, command: [] as string[] } as RuntimeService).message).toContain('micro logs a');
  });
});
