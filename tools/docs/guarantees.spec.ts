import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { workspaceRoot } from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { guarantees } from './guarantees.js';

describe('docs/guarantees.md', () => {
  it('is what the adapters declare: else run npx nx run docs:guarantees', async () => {
    expect(await readFile(join(workspaceRoot, 'docs/guarantees.md'), 'utf8')).toBe(await guarantees());
  });
});
