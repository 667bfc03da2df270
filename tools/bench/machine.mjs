import { cpus, totalmem, type } from 'node:os';
import { readFileSync } from 'node:fs';

/** One line that says where the figures were measured. */
export function machine() {
  const memory = Math.round(totalmem() / 2 ** 30);
  let kernel = type();
  try {
    kernel = readFileSync('/proc/sys/kernel/osrelease', 'utf8').trim();
  } catch {
    // Not Linux: the name of the system will do.
  }
  return `${cpus().length} × ${cpus()[0]?.model.trim()}, ${memory} GB, ${type()} ${kernel}, Node ${process.versions.node}, ${new Date().toISOString().slice(0, 10)}`;
}
