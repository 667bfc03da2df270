import { constants } from 'node:os';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { Failure } from '../failure.js';
import { isTextSoFar, sizeText } from '../output/content.js';
import type { Output, Sink } from '../output/output.js';

/** Milliseconds between two words about how far a transfer is. */
const between = 200;

/** How far a transfer is. */
export class Meter {
  #moved = 0;
  /** Bytes in all, where that is known. */
  total: number | undefined;
  /** What there is if it breaks off, for people: `x.png is as it was`. */
  otherwise: string | undefined;

  constructor(
    /** Aborts when somebody has had enough; its reason is a Failure. */
    readonly signal: AbortSignal,
    private readonly changed: (meter: Meter) => void,
  ) {}

  /** Bytes so far. */
  get moved(): number {
    return this.#moved;
  }

  add(bytes: number): void {
    this.#moved += bytes;
    this.changed(this);
  }

  /** `12.0 MiB of 64.0 MiB`. */
  toString(): string {
    return this.total === undefined ? sizeText(this.#moved) : `${sizeText(this.#moved)} of ${sizeText(this.total)}`;
  }
}

/**
 * Runs a transfer that tells how far it is, and shows that on a terminal while it lasts. Where it breaks off, by an error or by ctrl-c, it is
 * said how far it came. A second ctrl-c ends the process at once.
 */
export async function transferring<T>(out: Output, what: string, transfer: (meter: Meter) => Promise<T>): Promise<T> {
  const progress = out.interactive ? await out.progress(what) : undefined;
  let last = performance.now();
  const stop = new AbortController();
  const meter = new Meter(stop.signal, (current) => {
    const now = performance.now();
    if (now - last < between) return;
    last = now;
    progress?.step(`${what}: ${String(current)}`);
  });
  const interrupt = (signal: NodeJS.Signals) =>
    stop.abort(new Failure('interrupted', { exitCode: 128 + constants.signals[signal] }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  try {
    return await transfer(meter);
  } catch (error) {
    progress?.stop();
    const left = meter.otherwise === undefined ? '' : `: ${meter.otherwise}`;
    if (meter.moved > 0) out.note(`${what} broke off after ${String(meter)}${left}`);
    throw stop.signal.aborted ? stop.signal.reason : error;
  } finally {
    progress?.stop();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  }
}

/** What comes, until `signal` aborts: then its reason is thrown at once, also while nothing comes. */
export async function* unlessAborted(
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const iterator = pieces[Symbol.asyncIterator]();
  let fail: (error: unknown) => void = () => undefined;
  const abort = () => fail(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  let ended = false;
  try {
    for (;;) {
      signal.throwIfAborted();
      const next = await new Promise<IteratorResult<Uint8Array, unknown>>((resolve, reject) => {
        fail = reject;
        iterator.next().then(resolve, reject);
      });
      ended = next.done === true;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    signal.removeEventListener('abort', abort);
    // Not waited for: its end may be behind a piece that never comes.
    if (!ended) void iterator.return?.()?.catch(() => undefined);
  }
}

/**
 * Writes what comes to a file, or with `-` to standard output, as fast as that takes it. A file has its name only when it is complete: what breaks
 * off leaves what was there before. Failure for what is no text and would go to a terminal. Returns how many bytes came.
 */
export async function save(
  pieces: AsyncIterable<Uint8Array>,
  file: string,
  { stdout, meter }: { readonly stdout: Sink; readonly meter: Meter },
): Promise<number> {
  const coming = unlessAborted(pieces, meter.signal);
  if (file === '-') return print(coming, stdout, meter);
  const target = await targetOf(file);
  if (!target.regular) return keep(coming, { path: target.path, flags: 'w', file, meter });
  meter.otherwise = `${file} is as it was`;
  const part = `${target.path}.${process.pid}.part`;
  try {
    const size = await keep(coming, { path: part, flags: 'wx', file, meter });
    await rename(part, target.path).catch(unwritable(file));
    return size;
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  }
}

/** Writes bytes as they are, and waits while the reader is slower. */
export async function write(sink: Sink, bytes: Uint8Array): Promise<void> {
  if (sink.write(bytes) !== false || !sink.once) return;
  await new Promise<void>((resolve) => sink.once?.('drain', resolve));
}

async function print(pieces: AsyncIterable<Uint8Array>, stdout: Sink, meter: Meter): Promise<number> {
  for await (const piece of pieces) {
    if (meter.moved === 0 && stdout.isTTY && !isTextSoFar(piece))
      throw new Failure('this is no text, and would do things to your terminal: name a file, or pipe it on');
    await write(stdout, piece);
    meter.add(piece.length);
  }
  return meter.moved;
}

/** Where a name leads: behind a link the file itself; to pipes and devices, which cannot be replaced, as they are. */
async function targetOf(file: string): Promise<{ readonly path: string; readonly regular: boolean }> {
  const found = await stat(file).catch(() => undefined);
  if (found?.isDirectory()) throw new Failure(`${file} is a folder: name a file in it`);
  return { path: found ? await realpath(file) : file, regular: found?.isFile() ?? true };
}

interface Keeping {
  readonly path: string;
  readonly flags: 'w' | 'wx';
  /** As it was named, for messages. */
  readonly file: string;
  readonly meter: Meter;
}

async function keep(pieces: AsyncIterable<Uint8Array>, { path, flags, file, meter }: Keeping): Promise<number> {
  const failed = unwritable(file);
  const handle: FileHandle = await open(path, flags).catch(failed);
  try {
    for await (const piece of pieces) {
      await handle.writeFile(piece).catch(failed);
      meter.add(piece.length);
    }
  } finally {
    await handle.close();
  }
  return meter.moved;
}

const reasons: Readonly<Record<string, string>> = {
  EACCES: 'not allowed',
  EDQUOT: 'the disk is full',
  ENOENT: 'there is no such folder',
  ENOSPC: 'the disk is full',
  ENOTDIR: 'there is no such folder',
  EROFS: 'the disk is read-only',
};

function unwritable(file: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    const why = reasons[error.code ?? ''] ?? error.code ?? error.message;
    throw new Failure(`cannot write the file ${file}: ${why}`, { cause: error });
  };
}
