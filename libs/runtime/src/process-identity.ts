import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';

/**
 * What tells a process from a later one of the same number: when it was started, and in which boot of the machine. Undefined for a process
 * that is not there, or that has ended and was not yet waited for. On Linux from /proc, elsewhere from `ps`, which takes some milliseconds.
 */
export function processIdentity(pid: number): string | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return process.platform === 'linux' ? fromProc(pid) : fromPs(pid);
}

/** Whether the process that had this identity still runs. */
export function isAlive(pid: number, identity: string): boolean {
  if (process.platform === 'linux') return processIdentity(pid) === identity;
  return signalProcess(pid, 0) && processIdentity(pid) === identity;
}

/** Sends a signal; 0 only asks. False if there is no such process. */
export function signalProcess(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** The same for a whole process group, by the number of its leader; the leader itself may have gone. */
export function signalGroup(leader: number, signal: NodeJS.Signals | 0): boolean {
  return signalProcess(process.platform === 'win32' ? leader : -leader, signal);
}

/** Whether any process of the group still runs. One that has ended and that nobody waits for, as in some containers, does not count. */
export function isGroupAlive(leader: number): boolean {
  if (!signalGroup(leader, 0)) return false;
  if (process.platform !== 'linux') return true;
  return readdirSync('/proc').some((name) => /^\d+$/.test(name) && statOf(Number(name))?.group === leader);
}

let boot: string | undefined;

function fromProc(pid: number): string | undefined {
  const stat = statOf(pid);
  if (!stat) return undefined;
  boot ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim().slice(0, 8);
  return `${boot}:${stat.started}`;
}

/** proc(5), /proc/<pid>/stat; undefined for a process that is not there or has ended. */
function statOf(pid: number): { readonly group: number; readonly started: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses, and may itself have spaces and parentheses.
    const [state, , group, ...fields] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return state === 'Z' || state === 'X' ? undefined : { group: Number(group), started: fields[16] ?? '' };
  } catch {
    return undefined;
  }
}

function fromPs(pid: number): string | undefined {
  try {
    const [state, ...started] = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], { encoding: 'utf8' })
      .trim()
      .split(/\s+/);
    return state?.startsWith('Z') ? undefined : started.join(' ');
  } catch {
    return undefined;
  }
}
