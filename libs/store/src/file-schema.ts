import { closeSync, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { MicroError } from '@micro/errors';
import Sqlite from 'better-sqlite3';

/** Of the tables below; a file with a greater one was written by a later Micro. */
const schemaVersion = 1;

/**
 * `version` counts the changes of the whole file, so that a deleted record's next version is greater than its last. `gone` keeps what was deleted
 * for as long as another process may want to know. Keys are blobs: SQLite compares those byte by byte, and text only up to a NUL.
 */
const schema = `
  CREATE TABLE counter (version INTEGER NOT NULL);
  INSERT INTO counter VALUES (0);
  CREATE TABLE records (tbl TEXT NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, metadata TEXT NOT NULL, expires INTEGER, version INTEGER NOT NULL);
  CREATE UNIQUE INDEX records_key ON records (tbl, key);
  CREATE UNIQUE INDEX records_version ON records (version);
  CREATE INDEX records_expires ON records (expires) WHERE expires IS NOT NULL;
  CREATE TABLE gone (version INTEGER PRIMARY KEY, tbl TEXT NOT NULL, key BLOB NOT NULL);
  PRAGMA user_version = ${schemaVersion};
`;

/**
 * Opens a database file, made anew if there is none. Write-ahead log, synced with every commit: what was committed survives a power cut.
 * MicroError as `translated`.
 */
export function openFile(path: string): Sqlite.Database {
  let db: Sqlite.Database | undefined;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    // SQLite would make it readable for everyone.
    if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
    db = new Sqlite(path, { timeout: 2_000 });
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    prepare(db, path);
    // From now on waiting is done without standing in the way of everything else in the process.
    db.pragma('busy_timeout = 0');
    return db;
  } catch (error) {
    db?.close();
    throw translated(error, path);
  }
}

function prepare(db: Sqlite.Database, path: string): void {
  const found = () => Number(db.pragma('user_version', { simple: true }));
  if (found() === 0) {
    // Two processes may meet here: the second finds that it is done.
    db.transaction(() => found() === 0 && db.exec(schema)).immediate();
  }
  if (found() === schemaVersion) return;
  throw new MicroError(
    'failed_precondition',
    `${path} was written by a later version of Micro: use that one, or another data directory (MICRO_HOME)`,
    { id: 'store' },
  );
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
  if (code === 'SQLITE_FULL' || code === 'ENOSPC')
    return of('resource_exhausted', `the disk of ${path} is full: make room, and try again`);
  if (code.startsWith('SQLITE_BUSY'))
    return of(
      'unavailable',
      `${path} is locked by another process: try again, and look for who holds it if that does not help`,
    );
  if (code.startsWith('SQLITE_CORRUPT') || code === 'SQLITE_NOTADB') {
    return of(
      'data_loss',
      `${path} is damaged: nothing in it has been changed; put a snapshot in its place (micro store restore), or move it away to begin anew`,
    );
  }
  if (
    code.startsWith('SQLITE_READONLY') ||
    code.startsWith('SQLITE_CANTOPEN') ||
    ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'ENOENT', 'EEXIST'].includes(code)
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
