import { MicroError } from '@micro/errors';
import type { Database } from 'better-sqlite3';

/** In `user_version`. */
const version = 2;
/** In `application_id`: "MiEv". */
const application = 0x4d694576;

const schema = `
  -- Events kept are those from \`oldest\` to before \`next\`; \`bytes\` of theirs; \`time\` of the last.
  CREATE TABLE streams (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,
    oldest INTEGER NOT NULL DEFAULT 1, next INTEGER NOT NULL DEFAULT 1,
    bytes INTEGER NOT NULL DEFAULT 0, time INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE events (
    stream INTEGER NOT NULL, offset INTEGER NOT NULL, at INTEGER NOT NULL, size INTEGER NOT NULL,
    id TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (stream, offset)
  ) STRICT, WITHOUT ROWID;
  -- Ids that publishers gave, in the order in which they came.
  CREATE TABLE ids (
    place INTEGER PRIMARY KEY, stream INTEGER NOT NULL, id TEXT NOT NULL, offset INTEGER NOT NULL, at INTEGER NOT NULL,
    UNIQUE (stream, id)
  ) STRICT;
  -- All before \`cursor\` was given out, and is settled unless \`given\` has it.
  CREATE TABLE groups (
    id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, name TEXT NOT NULL, cursor INTEGER NOT NULL,
    UNIQUE (stream, name)
  ) STRICT;
  -- Given out and not settled. \`token\` of whoever has it, nobody without; \`due\` when it may be given out again, counted from \`since\`;
  -- \`back\`: how many of its attempts ended with the consumer, which is nobody's failure.
  CREATE TABLE given (
    grp INTEGER NOT NULL, offset INTEGER NOT NULL, due INTEGER NOT NULL, since INTEGER NOT NULL, token INTEGER,
    attempt INTEGER NOT NULL, back INTEGER NOT NULL, most INTEGER NOT NULL, reason TEXT, replayed INTEGER NOT NULL,
    PRIMARY KEY (grp, offset)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX given_by_due ON given (grp, due, offset);
  -- Dead letters, with an event of their own; without \`died\` one that is given out again, until it is settled.
  CREATE TABLE dead (
    grp INTEGER NOT NULL, offset INTEGER NOT NULL, died INTEGER, attempts INTEGER NOT NULL, reason TEXT NOT NULL,
    at INTEGER NOT NULL, id TEXT NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL,
    PRIMARY KEY (grp, offset)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX dead_by_time ON dead (died);
`;

/** What a file of the version before lacks, by that version. */
const additions = new Map([[1, 'ALTER TABLE given ADD COLUMN back INTEGER NOT NULL DEFAULT 0']]);

/** Makes a new file one of events, and an older one this version's; refuses what is none. In a transaction. */
export function prepare(db: Database, file: string): void {
  const found = db.pragma('user_version', { simple: true }) as number;
  const owner = db.pragma('application_id', { simple: true }) as number;
  if (found === version && owner === application) return;
  const addition = owner === application && additions.get(found);
  if (addition) {
    db.exec(addition);
    db.pragma(`user_version = ${found + 1}`);
    return prepare(db, file);
  }
  const tables = db.prepare('SELECT count(*) FROM sqlite_master').pluck().get() as number;
  if (tables > 0 || found !== 0 || owner !== 0) {
    const detail =
      owner === application
        ? `${file} holds events as version ${found} of Micro's files keeps them, this one knows ${version}: use a newer Micro`
        : `${file} is a database of another program: move it away, or use another folder`;
    throw new MicroError('failed_precondition', detail, { id: 'broker' });
  }
  db.exec(schema);
  db.pragma(`user_version = ${version}`);
  db.pragma(`application_id = ${application}`);
}
