import { existsSync, readdirSync, readFileSync } from 'node:fs';

/**
 * SIGSTOP; returns when the process stands still. The signal is there at once, but each of its threads goes on until it has heard of it, and may
 * answer meanwhile. Where there is no /proc that is not waited for.
 */
export function suspend(pid: number): void {
  process.kill(pid, 'SIGSTOP');
  while (existsSync(`/proc/${pid}/task`) && !standsStill(pid));
}

/** Each of its threads is stopped, or has ended. */
function standsStill(pid: number): boolean {
  const folder = `/proc/${pid}/task`;
  return readdirSync(folder).every((thread) => {
    try {
      // `pid (name) state …`: a name may have anything in it.
      const [, state = ''] = /.*\) (\w)/s.exec(readFileSync(`${folder}/${thread}/stat`, 'utf8')) ?? [];
      return /[TtZX]/.test(state);
    } catch {
      return true;
    }
  });
}
