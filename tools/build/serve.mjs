/** `nx serve <app>`: builds the app, starts it with the local profile, and restarts it on every change. For a library: its tests, watched. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { context } from 'esbuild';
import { appBundle, workspaceRoot } from './bundle.mjs';

const [projectRoot, ...args] = process.argv.slice(2);
if (!existsSync(join(workspaceRoot, projectRoot, 'src/main.ts'))) {
  spawn(
    'npx',
    ['vitest', '--root', projectRoot, '--config', join(workspaceRoot, 'vitest.config.ts'), '--watch', ...args],
    {
      cwd: workspaceRoot,
      stdio: 'inherit',
    },
  ).on('exit', (code) => process.exit(code ?? 1));
} else {
  await serveApp();
}

async function serveApp() {
  const dist = join(workspaceRoot, projectRoot, 'dist');
  let child;
  const restart = async () => {
    await stop(child);
    child = spawn(process.execPath, ['--enable-source-maps', join(dist, 'main.cjs'), ...args], {
      stdio: 'inherit',
      env: { MICRO_PROFILE: 'local', ...process.env },
    });
  };
  const options = appBundle(projectRoot, join(dist, 'app.cjs'));
  options.plugins.push({
    name: 'restart',
    setup(build) {
      build.onEnd(async ({ errors }) => {
        if (errors.length > 0) return;
        await restart();
      });
    },
  });
  const builder = await context(options);
  await builder.watch();
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, async () => {
      await builder.dispose();
      await stop(child);
      process.exit(0);
    });
  }
}

function stop(child) {
  if (!child || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', resolve);
    child.kill('SIGTERM');
  });
}
