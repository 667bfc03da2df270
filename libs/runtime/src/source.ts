import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, isAbsolute, join, relative, sep } from 'node:path';
import { MicroError } from '@micro/errors';

/** A local folder with something to run in it. */
export interface Source {
  /** Absolute, without symbolic links. */
  readonly folder: string;
  readonly package: PackageFile;
  /** The file to start, absolute. */
  readonly entry: string;
}

/** What counts of a package.json. */
export interface PackageFile {
  readonly name?: string;
  readonly type?: string;
  readonly main?: string;
  readonly micro?: { readonly main?: string };
  readonly imports?: Readonly<Record<string, unknown>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

export const typescriptEndings = ['.ts', '.mts', '.cts', '.tsx'] as const;
export const javascriptEndings = ['.js', '.mjs', '.cjs', '.jsx'] as const;

const entryNames = ['src/main', 'src/index', 'main', 'index'] as const;
const builtFolders = /^(?:\.\/)?(?:dist|build|out)\//;

/** The name, checked: of a service, a namespace or a version. MicroError `invalid_argument` that says what is legal. */
export function checkName(what: string, name: string): string {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?$/.test(name) && !name.includes('..')) return name;
  throw invalid(
    `the ${what} ${quote(name)} is not legal: use letters, digits, '.', '_' and '-', at most 128, beginning and ending with a letter or digit`,
  );
}

/** The folder, checked. MicroError `invalid_argument` if it is none, `unimplemented` for a git URL. */
export function checkFolder(source: string): string {
  if (/^(?:[a-z+]+:\/\/|git@|[\w-]+(?:\.[\w-]+)+\/)/i.test(source)) {
    throw new MicroError('unimplemented', `${quote(source)} is not a local folder: ${howToClone(source)}`, {
      id: 'runtime',
    });
  }
  if (source.includes('\0') || !isAbsolute(source))
    throw invalid(`the source ${quote(source)} is not an absolute path of a folder`);
  const found = statSync(source, { throwIfNoEntry: false });
  if (!found) throw invalid(`the source ${quote(source)} is not there`);
  if (!found.isDirectory()) throw invalid(`the source ${quote(source)} is a file: give the folder that it is in`);
  return realpathSync(source);
}

/** How to get at a repository's folder by hand: `github.com/org/repo/folder@ref` as the commands that fetch and run it. */
function howToClone(source: string): string {
  const found =
    /^(?:https:\/\/)?([\w-]+(?:\.[\w-]+)+\/\w[\w.-]*\/(\w[\w.-]*?))(?:\.git)?((?:\/\w[\w.-]*)*)(?:@(\w[\w./-]*))?$/.exec(
      source,
    );
  if (!found) return 'clone the repository with git, and run the folder of the service in it';
  const [, repository, name, folder, ref] = found;
  return `clone it, and run the folder: git clone ${ref ? `--branch ${ref} ` : ''}https://${repository} && micro run ${name}${folder}`;
}

/** What to start in a folder. MicroError `invalid_argument` naming what was looked for, or what is wrong in package.json. */
export function readSource(source: string): Source {
  const folder = checkFolder(source);
  const pkg = readPackage(folder);
  return { folder, package: pkg, entry: findEntry(folder, pkg) };
}

/** Name of a service that was not given one: the package's without its scope, else the folder's. */
export function defaultName(folder: string, pkg: PackageFile): string {
  const name = pkg.name?.replace(/^@[^/]*\//, '') ?? basename(folder);
  try {
    return checkName('name', name);
  } catch {
    throw invalid(
      `${quote(name)}, of ${pkg.name ? 'package.json' : 'the folder'}, is no name for a service: give one with --name`,
    );
  }
}

export function readPackage(folder: string): PackageFile {
  const path = join(folder, 'package.json');
  if (!existsSync(path)) return {};
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw invalid(`${path} is not JSON: ${(error as Error).message}`);
  }
  if (typeof content !== 'object' || content === null || Array.isArray(content))
    throw invalid(`${path} is not a JSON object`);
  const { name, type, main, micro, imports, dependencies } = content as Record<string, unknown>;
  const text = (value: unknown) => (typeof value === 'string' && value !== '' ? value : undefined);
  const record = (value: unknown) =>
    typeof value === 'object' && value !== null ? (value as Record<string, never>) : undefined;
  return {
    name: text(name),
    type: text(type),
    main: text(main),
    micro: { main: text(record(micro)?.['main']) },
    imports: record(imports),
    dependencies: record(dependencies),
  };
}

/** Whether a path is the folder or in it. */
export function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way));
}

function findEntry(folder: string, { main, micro }: PackageFile): string {
  if (micro?.main) {
    const entry = fileIn(folder, micro.main);
    if (!entry)
      throw invalid(`package.json of ${folder} names ${quote(micro.main)} as micro.main, which is not a file in it`);
    return entry;
  }
  const named = main && isCode(main) ? fileIn(folder, main) : undefined;
  // What a compiler made may be older than what it was made from.
  if (named && main && !builtFolders.test(main)) return named;
  const candidates = (endings: readonly string[]) =>
    entryNames.flatMap((name) => endings.map((ending) => `${name}${ending}`));
  const found = (endings: readonly string[]) => candidates(endings).find((name) => fileIn(folder, name));
  const entry = found(typescriptEndings) ?? (named ? main : undefined) ?? found(javascriptEndings);
  if (entry) return fileIn(folder, entry) as string;
  throw invalid(
    `nothing to run in ${folder}: looked for micro.main and main in package.json, then for ${entryNames.join(', ')}, each as .ts, .mts, .cts, .js, .mjs or .cjs`,
  );
}

function isCode(path: string): boolean {
  return [...typescriptEndings, ...javascriptEndings].some((ending) => path.endsWith(ending));
}

function fileIn(folder: string, path: string): string | undefined {
  const full = join(folder, path);
  if (!isWithin(folder, full) || !statSync(full, { throwIfNoEntry: false })?.isFile()) return undefined;
  return full;
}

export function invalid(detail: string): MicroError {
  return new MicroError('invalid_argument', detail, { id: 'runtime' });
}

/** A value in a message: never longer than a line. */
export function quote(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}
