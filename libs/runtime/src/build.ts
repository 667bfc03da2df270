import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { MicroError } from '@micro/errors';
import { type Compiled, compile, type ModuleFormat, type Reference, replaceSpecifiers } from './compile.js';
import { generateFile } from './generate.js';
import { unwritable } from './log-file.js';
import { resolveImport } from './resolve.js';
import { isWithin, javascriptEndings, type Source, typescriptEndings } from './source.js';

/** A source that can be started. */
export interface Built {
  /** File to give to Node, absolute. */
  readonly entry: string;
  /** Whether it imports the SDK, and so is going to register. */
  readonly registers: boolean;
}

export interface BuildOptions {
  /** Told what is being done. */
  readonly step?: (text: string) => void;
  readonly signal?: AbortSignal;
  /** Entries of builds that run, which are not to be removed. */
  readonly inUse?: ReadonlySet<string>;
}

const keptBuilds = 8;

/**
 * Compiles a source, file by file, from its entry along its imports, into a folder under its own node_modules, so that packages are found as
 * they are from the source. Equal sources give the same folder. Every other file, JSON and .proto files among them, is found beside the code as in
 * the source, by a link.
 *
 * MicroError `failed_precondition` with what the compiler says, or naming the import that leads nowhere.
 */
export async function build(source: Source, options: BuildOptions = {}): Promise<Built> {
  const format = await formatOf(source);
  const modules = await new Collector(source, format, options).collect();
  const target = join(source.folder, 'node_modules/.cache/micro');
  const built = await render(source, format, modules);
  const folder = join(target, built.hash);
  try {
    if (existsSync(folder)) {
      await utimes(folder, new Date(), new Date());
    } else {
      await write(folder, built);
      await prune(target, options.inUse ?? new Set());
    }
  } catch (error) {
    throw unwritable(target, error);
  }
  const registers = modules.some(({ references }) =>
    references.some(({ specifier }) => /^@micro\/service(?:\/|$)/.test(specifier)),
  );
  return { entry: join(folder, outputPath(relative(source.folder, source.entry))), registers };
}

/** One file of the source and what became of it. */
interface Module extends Compiled {
  readonly path: string;
  /** Absolute paths of what it refers to in the source, by specifier. */
  readonly targets: ReadonlyMap<string, string>;
}

/** Goes from the entry along all imports that stay in the source. */
class Collector {
  readonly #modules = new Map<string, Module>();

  constructor(
    readonly source: Source,
    readonly format: ModuleFormat,
    readonly options: BuildOptions,
  ) {}

  async collect(): Promise<readonly Module[]> {
    const waiting = [this.source.entry];
    for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
      if (this.#modules.has(path)) continue;
      this.options.signal?.throwIfAborted();
      const module = await this.#read(path);
      this.#modules.set(path, module);
      waiting.push(...[...module.targets.values()].filter(isCode));
    }
    return [...this.#modules.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
  }

  async #read(path: string): Promise<Module> {
    const format =
      path.endsWith('.cts') || path.endsWith('.cjs') ? 'commonjs' : /\.m[tj]s$/.test(path) ? 'es6' : this.format;
    const compiled = await compile(path, await readFile(path, 'utf8'), format);
    const targets = new Map<string, string>();
    for (const reference of compiled.references) {
      const target = this.#resolve(path, reference);
      if (target) targets.set(reference.specifier, target);
    }
    return { ...compiled, path, targets };
  }

  #resolve(from: string, { specifier, kind }: Reference): string | undefined {
    const resolved = resolveImport(specifier, from, this.source, { exact: kind === 'url' });
    const found = /\.micro(?:\.[jt]s)?$/.test(specifier) ? this.#generated(from, specifier, resolved) : resolved;
    if (found && isWithin(this.source.folder, found)) return found;
    const where = `${relative(this.source.folder, from)} imports ${JSON.stringify(specifier)}`;
    if (found) {
      throw failed(
        `${where}, which is outside of ${this.source.folder}: make it a package, or run a folder that has both`,
      );
    }
    // What is loaded only when the program comes there may be meant to be missing.
    if (kind === 'import' && /^\.{0,2}\//.test(specifier)) throw failed(`${where}, and there is no such file`);
    return undefined;
  }

  /** What is generated from a .proto beside it: made if it is missing, and again if the .proto means something else now. */
  #generated(from: string, specifier: string, found: string | undefined): string | undefined {
    const path = found ?? `${resolve(dirname(from), specifier.replace(/\.[jt]s$/, ''))}.ts`;
    const proto = path.replace(/\.micro\.ts$/, '.proto');
    if (!path.endsWith('.micro.ts') || !isWithin(this.source.folder, path) || !existsSync(proto)) return found;
    const { changed } = generateFile(proto);
    if (changed) this.options.step?.(`generated ${relative(this.source.folder, path)} from ${basename(proto)}`);
    return path;
  }
}

/**
 * Files without a `.mts`- or `.cjs`-like ending: as package.json says. Where it says nothing Node looks at the syntax; so does this, at that of
 * the entry. TypeScript that uses what only CommonJS has is CommonJS.
 */
async function formatOf({ package: { type }, entry }: Source): Promise<ModuleFormat> {
  if (type === 'module') return 'es6';
  if (type === 'commonjs') return 'commonjs';
  const code = await readFile(entry, 'utf8');
  if (/\bimport\.meta\b/.test(code)) return 'es6';
  const commonjs = /\b(?:__dirname|__filename|module\.exports|exports\.\w+\s*=|require\s*\()/.test(code);
  return commonjs || !/^\s*(?:import\s*[\w{*'"]|export\s)/m.test(code) ? 'commonjs' : 'es6';
}

interface Rendered {
  /** Name for the whole. */
  readonly hash: string;
  /** Code by path within the build. */
  readonly files: ReadonlyMap<string, string>;
  /** Paths in the source by path within the build. */
  readonly links: ReadonlyMap<string, string>;
}

async function render(source: Source, format: ModuleFormat, modules: readonly Module[]): Promise<Rendered> {
  const files = new Map([
    ['package.json', JSON.stringify({ private: true, type: format === 'es6' ? 'module' : 'commonjs' })],
  ]);
  for (const module of modules) {
    const code = replaceSpecifiers(module, ({ specifier }) => {
      const target = module.targets.get(specifier);
      if (target === undefined) return undefined;
      const way = relative(dirname(module.path), outputPath(target)).split(sep).join('/');
      return way.startsWith('.') ? way : `./${way}`;
    });
    files.set(outputPath(relative(source.folder, module.path)), code);
  }
  const links = await otherFiles(source.folder, files);
  const hash = createHash('sha256');
  for (const [path, content] of [...files, ...links]) hash.update(`${path}\0${content}\0`);
  return { hash: hash.digest('hex').slice(0, 16), files, links };
}

/** What is beside the code and is no TypeScript; folders without code as a whole. */
async function otherFiles(root: string, files: ReadonlyMap<string, string>): Promise<ReadonlyMap<string, string>> {
  const folders = new Set<string>();
  for (const path of files.keys()) {
    for (let folder = dirname(path); !folders.has(folder); folder = dirname(folder)) folders.add(folder);
  }
  const links = new Map<string, string>();
  for (const folder of [...folders].sort()) {
    for (const name of (await readdir(join(root, folder))).sort()) {
      const path = join(folder, name);
      const skipped =
        name.startsWith('.') ||
        name === 'node_modules' ||
        folders.has(path) ||
        files.has(path) ||
        /\.[mc]?tsx?$/.test(name);
      if (!skipped) links.set(path, join(root, path));
    }
  }
  return links;
}

/** Where a file of the source, or a path within it, is in the build. */
function outputPath(path: string): string {
  return path.replace(/\.tsx?$|\.jsx$/, '.js').replace(/\.([mc])ts$/, '.$1js');
}

function isCode(path: string): boolean {
  return (
    [...typescriptEndings, ...javascriptEndings].some((ending) => path.endsWith(ending)) && !/\.d\.[mc]?ts$/.test(path)
  );
}

/** All or nothing: a build that is there is whole. */
async function write(folder: string, { files, links }: Rendered): Promise<void> {
  const unfinished = join(dirname(folder), `.${basename(folder)}.${randomBytes(4).toString('hex')}`);
  try {
    for (const [path, content] of files) {
      await mkdir(dirname(join(unfinished, path)), { recursive: true });
      await writeFile(join(unfinished, path), content);
    }
    for (const [path, target] of links) await symlink(target, join(unfinished, path));
    await rename(unfinished, folder);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    // Another build of the same was faster.
    if (!existsSync(folder)) throw error;
  }
}

async function prune(target: string, inUse: ReadonlySet<string>): Promise<void> {
  const builds: { readonly path: string; readonly time: number }[] = [];
  for (const name of await readdir(target)) {
    const path = join(target, name);
    const running = [...inUse].some((entry) => entry.startsWith(path + sep));
    if (!running) builds.push({ path, time: (await stat(path)).mtimeMs });
  }
  builds.sort((a, b) => b.time - a.time);
  for (const { path } of builds.slice(keptBuilds)) await rm(path, { recursive: true, force: true });
}

function failed(detail: string): MicroError {
  return new MicroError('failed_precondition', detail, { id: 'runtime' });
}
