import { join } from 'node:path';
import type { TestPlatform } from '@micro/testing';
import { expect } from 'vitest';

/** What a person does with a platform. */
export function commandsOf(platform: () => TestPlatform) {
  return {
    /** A path in the platform's home. */
    at: (...path: string[]) => join(platform().home, ...path),
    /** What a command prints that must succeed. */
    done: async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await platform().micro(...args);
      expect({ args, code, stderr: stderr.match(/^error.*/m)?.[0] }).toEqual({ args, code: 0, stderr: undefined });
      return stdout;
    },
    /** Of a command that must not succeed the one line that says what is wrong. */
    refused: async (...args: string[]): Promise<string> => {
      const { code, stderr } = await platform().micro(...args);
      expect(code, args.join(' ').slice(0, 100)).not.toBe(0);
      const [line = '', ...more] = stderr.split('\n').filter((one) => one.startsWith('error: '));
      expect(more).toEqual([]);
      return line;
    },
  };
}
