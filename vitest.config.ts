import { readFileSync } from 'node:fs';
import swc from 'unplugin-swc';
import { defineConfig } from 'vitest/config';
import { swcOptions } from './tools/build/bundle.mjs';

const root = new URL('.', import.meta.url);
const { compilerOptions } = JSON.parse(readFileSync(new URL('tsconfig.base.json', root), 'utf8'));
const alias = Object.entries(compilerOptions.paths as Record<string, [string]>).map(([name, [file]]) => ({
  find: new RegExp(`^${name}$`),
  replacement: new URL(file, root).pathname,
}));

/** One configuration for every project; `nx test <project>` runs it with that project as root. */
export default defineConfig({
  plugins: [swc.vite({ ...swcOptions, sourceMaps: true, tsconfigFile: false } as never)],
  oxc: false,
  resolve: { alias },
  test: {
    include: ['**/*.spec.ts'],
    exclude: ['**/node_modules/**', '**/dist/**', 'bench/**', 'docs/**', 'soak/**'],
    environment: 'node',
    setupFiles: [new URL('tools/test/setup.ts', root).pathname],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    passWithNoTests: true,
    maxWorkers: 2,
    restoreMocks: true,
  },
} as never);
