import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { type PostgresOptions, startPostgres, suspend } from '@micro/testing';
import pg from 'pg';
import { CockroachConnection, type Statement } from './cockroach-connection.js';
import type { CockroachOptions } from './cockroach-options.js';

/** A PostgreSQL for specs, and what is wanted of it besides. */
export class CockroachServer implements AsyncDisposable {
  readonly #postgres: Awaited<ReturnType<typeof startPostgres>>;
  readonly #opened: CockroachConnection[] = [];

  private constructor(postgres: Awaited<ReturnType<typeof startPostgres>>) {
    this.#postgres = postgres;
  }

  static async start(options?: PostgresOptions): Promise<CockroachServer> {
    return new CockroachServer(await startPostgres(options));
  }

  /** Of its administrator. */
  get url(): string {
    return this.#postgres.url;
  }

  get process() {
    return this.#postgres.server;
  }

  /** SIGSTOP and SIGCONT, of the process of each connection, too. */
  pause(): void {
    this.#each(suspend);
  }

  resume(): void {
    this.#each((pid) => void process.kill(pid, 'SIGCONT'));
  }

  /** First the process that starts the others. */
  #each(signal: (pid: number) => void): void {
    const { pid } = this.process;
    signal(pid);
    const children = execFileSync('ps', ['--ppid', String(pid), '-o', 'pid='], { encoding: 'utf8' });
    for (const child of children.trim().split(/\s+/).map(Number)) {
      try {
        signal(child);
      } catch (error) {
        // It has ended meanwhile, as the workers of PostgreSQL do.
        if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
      }
    }
  }

  connection(options: Partial<CockroachOptions> = {}): CockroachConnection {
    const connection = new CockroachConnection({ url: this.url, timeout: 15_000, ...options });
    this.#opened.push(connection);
    return connection;
  }

  /** Of a database of its own, with nothing in it. */
  async empty(): Promise<string> {
    const name = `d${randomUUID().replaceAll('-', '')}`;
    await this.connection().rows(statement(`CREATE DATABASE ${name}`));
    return this.url.replace(/postgres$/, name);
  }

  /** As `empty`, where whoever connects by the URL has a clock that `set` puts so many milliseconds ahead of the right one, or behind it. */
  async clocked(): Promise<{ readonly url: string; readonly set: (ahead: number) => Promise<void> }> {
    const plain = await this.empty();
    const url = `${plain}?options=${encodeURIComponent('-c search_path=clocked,pg_catalog')}`;
    const connection = this.connection({ url });
    const made = new pg.Client(plain);
    await made.connect();
    await made.query(`
      CREATE SCHEMA clocked;
      CREATE TABLE clocked.ahead (interval INTERVAL NOT NULL);
      INSERT INTO clocked.ahead VALUES ('0');
      CREATE FUNCTION clocked.clock_timestamp() RETURNS TIMESTAMPTZ VOLATILE LANGUAGE SQL
        AS 'SELECT pg_catalog.clock_timestamp() + interval FROM clocked.ahead'`);
    await made.end();
    return {
      url,
      set: async (ahead) =>
        void (await connection.rows(statement(`UPDATE ahead SET interval = '${ahead} milliseconds'`))),
    };
  }

  /** Ends the connections that were opened here. */
  async disconnect(): Promise<void> {
    await Promise.all(this.#opened.splice(0).map((one) => one.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Of a test that did not get that far: what stands still cannot be ended.
    this.resume();
    await this.disconnect();
    await this.#postgres[Symbol.asyncDispose]();
  }
}

export function statement(text: string, repeatable = true): Statement {
  return { text, repeatable };
}
