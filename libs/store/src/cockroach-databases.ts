import type { CockroachConnection, Statement } from './cockroach-connection.js';
import type { Current } from './cockroach-sql.js';

/** Knows which generation of each database counts, until it is told of another. */
export class CockroachDatabases {
  readonly #connection: CockroachConnection;
  readonly #generations = new Map<string, string>();

  constructor(connection: CockroachConnection) {
    this.#connection = connection;
  }

  /** The rows of a statement as cockroach-sql.ts has them, of the generation that counts; of a database that is not there none. */
  async rows<Row extends Current>(
    statement: Statement,
    database: string,
    values: readonly unknown[],
  ): Promise<readonly Row[]> {
    for (;;) {
      const known = this.#generations.get(database) ?? null;
      const rows = await this.#connection.rows<Row>(statement, [database, known, ...values]);
      const counts = rows[0]?.generation;
      if (counts === undefined || counts === known) return rows;
      this.#generations.set(database, counts);
    }
  }
}
