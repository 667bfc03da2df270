import { MicroError } from '@micro/errors';

/** Whether another connection is writing at the moment, so that trying again helps. */
export function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(codeOf(error));
}

/** What SQLite or the file system throws, in the words of the contract. */
export function explained(error: unknown, file: string): MicroError {
  if (error instanceof MicroError) return error;
  const [code, detail] = meaning(codeOf(error), file);
  return new MicroError(code, `${detail}: ${error instanceof Error ? error.message : String(error)}`, {
    id: 'broker',
    cause: error,
  });
}

function meaning(code: string, file: string): [ConstructorParameters<typeof MicroError>[0], string] {
  if (/^SQLITE_(FULL|IOERR_WRITE|IOERR_SHMSIZE)|ENOSPC|EDQUOT|EFBIG/.test(code))
    return ['resource_exhausted', `there is no room left for the events in ${file}: free some on that disk`];
  if (/^SQLITE_(CORRUPT|NOTADB)|SQLITE_IOERR_(SHORT_READ|CORRUPTFS)/.test(code)) {
    const advice = 'it is left as it is: restore it from a backup, or move it away to begin anew without its events';
    return ['data_loss', `the events in ${file} cannot be read, the file is damaged; ${advice}`];
  }
  if (/^SQLITE_(READONLY|CANTOPEN|PERM|AUTH)|EACCES|EPERM|EROFS|ENOTDIR|EISDIR|EEXIST/.test(code))
    return [
      'permission_denied',
      `the events in ${file} cannot be opened for writing: see who owns the file and its folder`,
    ];
  if (isBusyCode(code))
    return ['unavailable', `another process keeps ${file} locked: see which programs have it open, and try again`];
  if (code.startsWith('SQLITE_IOERR')) return ['unavailable', `the disk with ${file} fails`];
  return ['internal', `the events in ${file}`];
}

function isBusyCode(code: string): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(code);
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
