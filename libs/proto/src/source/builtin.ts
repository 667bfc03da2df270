import type { FileDescriptor } from '../descriptor.js';
import { builtinFiles } from '../gen/builtin.js';

/** A file of libs/proto/builtin, read by our parser when gen/builtin.ts was generated: reading it at every start takes 30 ms. */
export interface BuiltinFile {
  readonly path: string;
  /** Full names of its messages and enums, without nested ones. */
  readonly defines: readonly string[];
  /** Its FileDescriptor as JSON, with types resolved and options interpreted. */
  readonly descriptor: string;
}

const byPath = new Map(builtinFiles.map((file) => [file.path, file]));
const byName = new Map(builtinFiles.flatMap(({ path, defines }) => defines.map((name) => [name, path])));
const descriptors = new Map<string, FileDescriptor>();

/** Whether every schema may import a file without bringing it. */
export function isBuiltin(path: string): boolean {
  return byPath.has(path);
}

/** One for all pools, which do not change it. Undefined if the file is not built in. */
export function builtinDescriptor(path: string): FileDescriptor | undefined {
  const known = descriptors.get(path),
    file = byPath.get(path);
  if (known || !file) return known;
  const descriptor = JSON.parse(file.descriptor) as FileDescriptor;
  descriptors.set(path, descriptor);
  return descriptor;
}

/** Path of the built-in file that defines a message or enum, by its full name. */
export function builtinDefining(fullName: string): string | undefined {
  return byName.get(fullName);
}

/** Path of the one that defines a message or enum of this name in any package. */
export function builtinNamed(shortName: string): string | undefined {
  return builtinFiles.find(({ defines }) => defines.some((name) => name.endsWith(`.${shortName}`)))?.path;
}
