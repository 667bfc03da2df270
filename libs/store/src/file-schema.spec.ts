import { join } from 'node:path';
import { temporaryFolder } from '@micro/testing';
import SQLite from 'better-sqlite3';
import { afterEach, expect, it, vi } from 'vitest';
import { openFile, type Tables } from './file-schema.js';

afterEach(() => void vi.restoreAllMocks());

const tables: Tables = { application: 0x54657374, version: 1, sql: 'CREATE TABLE kept (a)' };

/** As another process does that begins at the same moment. */
function make(path: string): void {
  const other = new SQLite(path, { timeout: 0 });
  other.exec(`BEGIN IMMEDIATE; ${tables.sql}; PRAGMA user_version = 1; PRAGMA application_id = ${tables.application}`);
  try {
    other.exec('COMMIT');
  } catch (error) {
    // Not while somebody reads.
    expect(error).toMatchObject({ code: 'SQLITE_BUSY' });
  }
  other.close();
}

it('a file whose tables another process makes at the same moment is taken for nobody else’s', async () => {
  await using folder = await temporaryFolder();
  for (const [at, pragma] of ['user_version', 'application_id'].entries()) {
    const path = join(folder.path, `${at}.db`);
    const read = SQLite.prototype.pragma;
    const meeting = vi.spyOn(SQLite.prototype, 'pragma').mockImplementation(function (this: SQLite.Database, ...given) {
      const found = read.apply(this, given);
      if (given[0] !== pragma) return found;
      meeting.mockRestore();
      make(path);
      return found;
    });
    const db = openFile(path, tables);
    expect(db.prepare('SELECT * FROM kept').all()).toEqual([]);
    db.close();
  }
});
