import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Source } from './source.js';

/** What TypeScript may mean by an ending that JavaScript has. */
const endings: Readonly<Record<string, readonly string[]>> = {
  '.js': ['.ts', '.tsx', '.js', '.jsx'],
  '.jsx': ['.tsx', '.jsx'],
  '.mjs': ['.mts', '.mjs'],
  '.cjs': ['.cts', '.cjs'],
};
const unnamed = ['.ts', '.tsx', '.mts', '.cts', '.js', '.mjs', '.cjs', '.jsx', '.json'];

interface ResolveOptions {
  /** Neither guess an ending nor look into a folder. */
  readonly exact?: boolean;
}

/**
 * The file that an import of the source means, absolute: relative ones as TypeScript resolves them, and `#names` of package.json's `imports`.
 * Undefined for packages, Node's own modules and what is not there.
 */
export function resolveImport(
  specifier: string,
  from: string,
  source: Source,
  options: ResolveOptions = {},
): string | undefined {
  if (specifier.startsWith('#')) {
    const mapped = subpath(specifier, source.package.imports ?? {});
    return mapped?.startsWith('./') ? findFile(resolve(source.folder, mapped)) : undefined;
  }
  if (!/^\.{0,2}\/|^\.{1,2}$/.test(specifier)) return undefined;
  return findFile(resolve(dirname(from), specifier.replace(/[?#].*$/, '')), options.exact);
}

function findFile(path: string, exact = false): string | undefined {
  const ending = /\.[mc]?jsx?$/.exec(path)?.[0];
  const stem = ending ? path.slice(0, -ending.length) : path;
  const candidates = [
    ...(ending ? (endings[ending] ?? []).map((other) => stem + other) : []),
    path,
    ...(exact ? [] : unnamed.map((other) => path + other)),
    ...(exact ? [] : unnamed.map((other) => `${path}/index${other}`)),
  ];
  return candidates.find((candidate) => statSync(candidate, { throwIfNoEntry: false })?.isFile());
}

/** Node's subpath imports (nodejs.org/api/packages.html#subpath-imports): exact names, and patterns with one star. */
function subpath(specifier: string, imports: Readonly<Record<string, unknown>>): string | undefined {
  if (Object.hasOwn(imports, specifier)) return condition(imports[specifier]);
  for (const [pattern, target] of Object.entries(imports)) {
    const [before = '', after] = pattern.split('*');
    if (after === undefined || !specifier.startsWith(before) || !specifier.endsWith(after)) continue;
    const star = specifier.slice(before.length, specifier.length - after.length);
    return condition(target)?.replaceAll('*', star);
  }
  return undefined;
}

function condition(target: unknown): string | undefined {
  if (typeof target === 'string') return target;
  if (typeof target !== 'object' || target === null) return undefined;
  for (const [name, value] of Object.entries(target)) {
    if (['node', 'import', 'require', 'default'].includes(name)) return condition(value);
  }
  return undefined;
}
