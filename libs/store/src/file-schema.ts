import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { MicroError } from '@micro/errors';
import Sqlite from 'better-sqlite3';

/** What a kind of file has in it. */
export interface Tables {
  /** In `application_id`. */
  readonly application: number;
  /** In `user_version`. A file with a greater one was written by a later Micro. */
  readonly version: number;
  /** Makes them. */
  readonly sql: string;
  /** Of files that were written before they had an id: the tables by which they are known. Default: there are none. */
  readonly withoutId?: readonly string[];
}

/**
 * `version` counts the changes of the whole file, so that a deleted record's next version is greater than its last. `gone` keeps what was deleted
 * for as long as another process may want to know. Keys are blobs: SQLite compares those byte by byte, and text only up to a NUL.
 */
const records: Tables = {
  // "MiSt"
  application: 0x4d695374,
  version: 1,
  withoutId: ['counter', 'gone'],
  sql: `
  CREATE TABLE counter (version INTEGER NOT NULL);
  INSERT INTO counter VALUES (0);
  CREATE TABLE records (tbl TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, metadata TEXT NOT NULL, expires INTEGER, version INTEGER NOT NULL);
  CREATE UNIQUE INDEX records_key ON records (tbl, key);
  CREATE UNIQUE INDEX records_version ON records (version);
  CREATE INDEX records_expires ON records (expires) WHERE expires IS NOT NULL;
  CREATE TABLE gone (version INTEGER PRIMARY KEY, tbl TEXT NOT NULL, key BLOB NOT NULL);
`,
};

/**
 * Opens a database file, made anew if there is none. Write-ahead log, synced with every commit: what was committed survives a power cut.
 * Nothing but SQLite may open a file that is there: when a process closes it, POSIX takes all its locks on it away, also those of a connection.
 * MicroError as `translated`.
 */
export function openFile(path: string, tables: Tables = records): Sqlite.Database {
  let db: Sqlite.Database | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // SQLite would make it readable for everyone.
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    db = new Sqlite(path, { timeout: 2_000 });
    checkOwner(db, path, tables);
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    // Two processes may meet here: the second finds that it is done. Where it is done already, nobody waits for who writes all the time.
    const made = db;
    if (owner(made, tables).isNew) db.transaction(() => owner(made, tables).isNew && make(made, tables)).immediate();
    // From now on waiting is done without standing in the way of everything else in the process.
    db.pragma('busy_timeout = 0');
    return db;
  } catch (error) {
    db?.close();
    throw translated(error, path);
  }
}

function make(db: Sqlite.Database, { application, version, sql }: Tables): void {
  db.exec(sql);
  db.pragma(`user_version = ${version}`);
  db.pragma(`application_id = ${application}`);
}

/** As of one moment: another process may be making the tables. */
function owner(db: Sqlite.Database, { application, withoutId }: Tables) {
  const read = db.transaction(() => ({
    version: Number(db.pragma('user_version', { simple: true })),
    id: Number(db.pragma('application_id', { simple: true })),
    names: db.prepare("SELECT name FROM sqlite_master WHERE type = 'table'").pluck().all() as string[],
  }));
  const { version, id, names } = read();
  const isOldest = id === 0 && version === 1 && withoutId?.every((name) => names.includes(name));
  return { version, isOurs: id === application || isOldest, isNew: version === 0 && id === 0 && names.length === 0 };
}

/** Before anything is written to the file. */
function checkOwner(db: Sqlite.Database, path: string, tables: Tables): void {
  const { version, isOurs, isNew } = owner(db, tables);
  if (isNew || (isOurs && version === tables.version)) return;
  const detail = isOurs
    ? `${path} was written by a later version of Micro (its tables are version ${version}, this one knows ${tables.version}): use that one, or another data directory (MICRO_HOME)`
    : `${path} is a database of another program: move it away, or use another data directory (MICRO_HOME)`;
  throw new MicroError('failed_precondition', detail, { id: 'store' });
}

/** Whether another process has the file for itself at the moment. */
export function isBusy(error: unknown): boolean {
  return codeOf(error).startsWith('SQLITE_BUSY') || codeOf(error) === 'SQLITE_LOCKED';
}

/** What SQLite and the file system say, as the contract has it. */
export function translated(error: unknown, path: string): MicroError {
  if (error instanceof MicroError) return error;
  const code = codeOf(error);
  const of = (kind: ConstructorParameters<typeof MicroError>[0], detail: string) =>
    new MicroError(kind, detail, { id: 'store', cause: error });
  if (/^SQLITE_(FULL|IOERR_WRITE|IOERR_SHMSIZE)|^(ENOSPC|EDQUOT|EFBIG)$/.test(code))
    return of('resource_exhausted', `the disk of ${path} is full: make room, and try again`);
  if (code.startsWith('SQLITE_BUSY'))
    return of(
      'unavailable',
      `${path} is locked by another process: try again, and look for who holds it if that does not help`,
    );
  if (/^SQLITE_(CORRUPT|NOTADB|IOERR_SHORT_READ|IOERR_CORRUPTFS)/.test(code)) {
    return of(
      'data_loss',
      `${path} is damaged, and left as it is: stop what uses it and move it away; then put a snapshot in its place (micro store restore), or begin anew`,
    );
  }
  if (
    code.startsWith('SQLITE_READONLY') ||
    code.startsWith('SQLITE_CANTOPEN') ||
    ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ENOENT', 'EEXIST'].includes(code)
  ) {
    return of(
      'permission_denied',
      `${path} cannot be written (${code}): see to it that its folder is there and yours, or choose another (MICRO_HOME)`,
    );
  }
  if (code.startsWith('SQLITE_IOERR'))
    return of('unavailable', `${path} cannot be read or written (${code}): look after its disk`);
  return MicroError.from(error, 'store');
}

function codeOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}
