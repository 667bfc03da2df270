import type { FSWatcher } from 'chokidar';
import { basename } from 'node:path';

const settings = /\.(?:json|ya?ml|toml)$/;
const code = /\.(?:[mc]?[jt]sx?|proto|json|ya?ml|toml)$/;
/** Of programs in other languages everything counts but what a program writes while it runs: it would be replaced for ever. */
const notData = /^(?!.*(?:\.(?:log|tmp|new|db|sqlite|pid|lock|pyc)|-journal|-wal|-shm|~)$)/;

export interface SourceWatchOptions {
  readonly folder: string;
  /** Whether it is built here: then only code and settings count. */
  readonly built: boolean;
  /** Milliseconds without another change until it is told. */
  readonly debounce: number;
  /** `build` if only code has changed, so that an equal build means that nothing has. */
  readonly changed: (what: 'build' | 'anything') => void;
}

/** Tells of changes in a source, once they have settled. */
export class SourceWatch {
  readonly #watcher: Promise<FSWatcher>;
  #timer: NodeJS.Timeout | undefined;
  #onlyCode = true;
  #closed = false;

  constructor(readonly options: SourceWatchOptions) {
    this.#watcher = this.#open(options.folder);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await (await this.#watcher).close();
  }

  async #open(folder: string): Promise<FSWatcher> {
    const { watch } = await import('chokidar');
    const ignored = (path: string) =>
      path !== folder && /^(?:\..*|node_modules|coverage|__pycache__)$/.test(basename(path));
    const watcher = watch(folder, { ignored, ignoreInitial: true, persistent: true });
    watcher.on('all', (_, path) => this.#touched(path));
    // A folder that cannot be read is one that is not watched.
    watcher.on('error', () => undefined);
    return watcher;
  }

  #touched(path: string): void {
    if (this.#closed || !(this.options.built ? code : notData).test(path)) return;
    if (!this.options.built || settings.test(path)) this.#onlyCode = false;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const what = this.#onlyCode ? 'build' : 'anything';
      this.#onlyCode = true;
      this.options.changed(what);
    }, this.options.debounce);
  }
}
