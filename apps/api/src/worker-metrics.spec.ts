import { describe, expect, it } from 'vitest';
import { summed } from './worker-metrics.js';

describe('metrics of several workers', () => {
  it('are added up, each metric in one piece', () => {
    const text = (calls: number, extra = '') =>
      `# HELP calls Calls.\n# TYPE calls counter\ncalls{code="ok"} ${calls}\n${extra}# HELP process_start_time_seconds Start.\n# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds ${calls * 10}\n`;
    expect(summed([text(1), '', text(2, 'calls{code="not_found"} 5\n')])).toBe(
      [
        '# HELP calls Calls.',
        '# TYPE calls counter',
        'calls{code="ok"} 3',
        'calls{code="not_found"} 5',
        '# HELP process_start_time_seconds Start.',
        '# TYPE process_start_time_seconds gauge',
        'process_start_time_seconds 20',
        '',
      ].join('\n'),
    );
  });
});
