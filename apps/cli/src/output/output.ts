import type { JsonValue } from '@micro/proto';
import type { OutputFormat } from '../settings.js';
import { jsonText } from './json-text.js';
import { paint, type Paint } from './paint.js';
import { canDraw, type Progress, startProgress } from './progress.js';

/** What a command writes to: a terminal, a file, or a test. */
export interface Sink {
  /** False where the reader is slower: `drain` tells when to go on. */
  write(data: string | Uint8Array, written?: (error?: Error | null) => void): unknown;
  once?(event: 'drain', listener: () => void): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Table<Row> {
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  /** A row as data, for json and yaml. */
  readonly data: (row: Row) => JsonValue;
  /** Instead of a table without rows, for people. */
  readonly empty: string;
}

export interface Column<Row> {
  readonly title: string;
  readonly text: (row: Row, paint: Paint) => string;
}

/** Width up to which JSON stays on one line. */
const oneLine = 80;

/** What commands have to say: data in the format that was asked for, on standard output; all else for people, on standard error. */
export class Output {
  readonly paint: Paint;
  /** Colours of standard error, which may be a terminal when standard output is not. */
  readonly errorPaint: Paint;

  constructor(
    readonly format: OutputFormat,
    private readonly stdout: Sink,
    private readonly stderr: Sink,
    colors: { readonly stdout: boolean; readonly stderr: boolean },
  ) {
    this.paint = paint(colors.stdout);
    this.errorPaint = paint(colors.stderr);
  }

  /** Whether the format is meant for people. */
  get forPeople(): boolean {
    return this.format === 'table';
  }

  /** A list: a table; or an array in json and yaml; or, raw, values between tabs without a heading. */
  async list<Row>({ columns, rows, data, empty }: Table<Row>): Promise<void> {
    if (this.format === 'table') {
      if (rows.length === 0) return this.line(empty);
      const { renderTable } = await import('./table.js');
      const titles = columns.map(({ title }) => title);
      return this.line(
        renderTable(
          titles,
          rows.map((row) => columns.map(({ text }) => text(row, this.paint))),
          this.paint,
          this.stdout.columns,
        ),
      );
    }
    if (this.format === 'raw') {
      const plain = paint(false);
      for (const row of rows) this.line(columns.map(({ text }) => text(row, plain).replaceAll('\n', ' ')).join('\t'));
      return;
    }
    return this.#data(rows.map(data));
  }

  /** One thing: `text` for people, its data in every other format. */
  async value(data: JsonValue, text: string): Promise<void> {
    if (this.forPeople) return this.line(text);
    return this.format === 'raw' ? this.line(jsonText(data)) : this.#data(data);
  }

  /** An answer of a service. Short ones stay on one line. */
  async answer(message: JsonValue): Promise<void> {
    if (this.format === 'yaml') return this.#data(message);
    const short = jsonText(message);
    this.line(
      this.format === 'raw' || (this.format === 'table' && short.length <= oneLine) ? short : jsonText(message, 2),
    );
  }

  /** One of the messages of a stream: one line each, so that other programs can read them as they come; yaml documents with `-o yaml`. */
  async streamed(message: JsonValue): Promise<void> {
    if (this.format !== 'yaml') return this.line(jsonText(message));
    this.line('---');
    return this.#data(message);
  }

  /** Whether somebody sees on a terminal what is told beside the data. */
  get interactive(): boolean {
    return canDraw(this.stderr);
  }

  line(text: string): void {
    this.stdout.write(`${text}\n`);
  }

  /** Resolves when what was said has been taken; never, where the reader is gone. */
  async flushed(): Promise<void> {
    if (!this.stdout.once) return;
    await new Promise<void>((resolve) => this.stdout.write('', (error) => error ?? resolve()));
  }

  /** For people who look on, whatever the format. */
  note(text: string): void {
    this.stderr.write(`${text}\n`);
  }

  /** Long work: a spinner on a terminal, else a line for each step; on standard error, so that it never mixes with data. */
  progress(text: string): Promise<Progress> {
    return startProgress(text, this.stderr, this.errorPaint);
  }

  async #data(data: JsonValue): Promise<void> {
    if (this.format !== 'yaml') return this.line(jsonText(data, 2));
    const { stringify } = await import('yaml');
    this.stdout.write(stringify(data));
  }
}
