import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';
import {
  depConstraints,
  edgeWithoutState,
  specDepConstraints,
  zeroDependencyAdapters,
} from './tools/lint/boundaries.mjs';

const boundaries = (constraints) => ({
  '@nx/enforce-module-boundaries': [
    'error',
    { enforceBuildableLibDependency: false, allow: [], depConstraints: constraints },
  ],
});

export default tseslint.config(
  { ignores: ['**/dist', '**/node_modules', '**/.test-results', '**/tmp', 'libs/proto/src/gen', '**/*.micro.ts'] },
  ...tseslint.configs.recommended,
  {
    plugins: { '@nx': nx },
    files: ['**/*.ts', '**/*.mjs'],
    rules: {
      ...boundaries(depConstraints),
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/no-explicit-any': 'error',
      eqeqeq: ['error', 'smart'],
      'no-console': 'error',
      'max-params': ['error', 4],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'Only libs/platform/src/env.ts reads the environment.' },
      ],
    },
  },
  { files: ['**/*.spec.ts', '**/*.contract.ts', '**/*.rig.ts'], rules: boundaries(specDepConstraints) },
  {
    files: [
      'libs/platform/src/env.ts',
      'tools/**',
      '**/*.spec.ts',
      '**/*.mjs',
      'vitest.config.ts',
      'libs/testing/**',
      'apps/cli/src/**',
    ],
    rules: { 'no-restricted-properties': 'off', 'no-console': 'off' },
  },
  // Tools build, start and measure what projects have built, and images hold it: they name files, not projects. So do configurations of tools.
  { files: ['docker/**', 'tools/**', '**/vitest.*.ts'], rules: { '@nx/enforce-module-boundaries': 'off' } },
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
  edgeWithoutState,
  ...zeroDependencyAdapters,
);
