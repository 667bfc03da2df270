#!/usr/bin/env node
import { existsSync } from 'node:fs';

const built = new URL('../dist/main.cjs', import.meta.url);
if (existsSync(built)) {
  await import(built.href);
} else {
  process.stderr.write('error: micro is not built yet: run `npx nx build cli` at the root of the repository\n');
  process.exitCode = 1;
}
