/** P12: processor time of a whole local platform with 20 services registered and nothing to do. */
import { startPlatform } from '../platform.mjs';
import { cpuSeconds, start, stopAll, tree, until } from '../processes.mjs';

export async function idle({ progress, idleSeconds }) {
  const platform = await startPlatform();
  const registrations = start(new URL('../programs/register-services.mjs', import.meta.url).pathname, [
    platform.address.registry,
    20,
  ]);
  try {
    await until('20 services are registered', () => registrations.output().includes('registered'));
    // The platform settles, and its code cache is written.
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const pids = tree(platform.pid);
    const before = cpuSeconds(pids);
    progress(`${idleSeconds} seconds of doing nothing`);
    await new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000));
    const share = (cpuSeconds(pids) - before) / idleSeconds;
    return [
      {
        id: 'P12',
        what: `idle platform, ${pids.length} processes, 20 services registered`,
        ours: `${(share * 100).toFixed(2)} % of one core`,
        peer: '–',
        ratio: '–',
        bar: '< 3 %',
        met: share < 0.03,
      },
    ];
  } finally {
    await stopAll(platform, registrations);
  }
}
