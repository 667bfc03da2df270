import { MicroError } from '@micro/errors';
import type {
  EnumDescriptor,
  FieldDescriptor,
  FileDescriptor,
  MessageDescriptor,
  ServiceDescriptor,
} from '../descriptor.js';
import { builtinDefining, builtinDescriptor } from './builtin.js';
import { checkFile } from './checks.js';
import { interpretOptions } from './interpret-options.js';
import type { PendingOption } from './option-values.js';
import { type ParsedFile, parseFile } from './parser.js';
import { resolveTypes } from './resolve-types.js';

/** What a full name stands for. */
export type Definition =
  | { readonly kind: 'package'; readonly file: LinkedFile }
  | {
      readonly kind: 'message';
      readonly file: LinkedFile;
      readonly descriptor: MessageDescriptor;
      readonly path: readonly number[];
      readonly parent?: string;
    }
  | {
      readonly kind: 'enum';
      readonly file: LinkedFile;
      readonly descriptor: EnumDescriptor;
      readonly path: readonly number[];
      readonly parent?: string;
    }
  | {
      readonly kind: 'service';
      readonly file: LinkedFile;
      readonly descriptor: ServiceDescriptor;
      readonly path: readonly number[];
    }
  | {
      readonly kind: 'extension';
      readonly file: LinkedFile;
      readonly descriptor: FieldDescriptor;
      readonly path: readonly number[];
      readonly scope: string;
    }
  | { readonly kind: 'member'; readonly file: LinkedFile };

/** A file among others. */
export interface LinkedFile {
  readonly file: FileDescriptor;
  /** Serialised, where the file came that way. */
  readonly bytes?: Uint8Array;
  /** A file that nobody asked for: it is there for the types of options, or of what is in an Any. */
  readonly hidden: boolean;
  readonly builtin?: boolean;
  readonly pending: readonly PendingOption[];
  /** An error about something declared in the file, with the line if there is a source. */
  readonly error: (problem: string, at?: object | string | number) => MicroError;
}

/** Files that know each other, and what is in them by its full name. */
export class Pool {
  readonly files = new Map<string, LinkedFile>();
  readonly symbols = new Map<string, Definition>();
  /** Extensions by the full name of the message that they extend. */
  readonly extensions = new Map<string, Extract<Definition, { kind: 'extension' }>[]>();

  /** Files from source, by the names that they import each other by. */
  static fromSources(sources: Readonly<Record<string, string>>): Pool {
    const pool = new Pool();
    const parsed = new Map(
      Object.entries(sources).map(([path, text]) => [path, sourceFile(parseFile(path, text), false)]),
    );
    pool.#add(parsed);
    return pool;
  }

  /** Files from descriptors. */
  static fromDescriptors(files: readonly { readonly file: FileDescriptor; readonly bytes: Uint8Array }[]): Pool {
    const pool = new Pool();
    pool.#add(new Map(files.map(({ file, bytes }) => [file.name, descriptorFile(file, bytes)])));
    return pool;
  }

  /** What a full name stands for, among the files and the built-in ones. */
  find(fullName: string): Definition | undefined {
    const symbol = this.symbols.get(fullName);
    if (symbol || !fullName.startsWith('google.protobuf.')) return symbol;
    const path = builtinDefining(fullName);
    const file = path === undefined || this.files.has(path) ? undefined : builtinFile(path, true);
    if (!file) return undefined;
    this.#add(new Map([[path!, file]]));
    return this.symbols.get(fullName);
  }

  /** Names of the files that a file sees: its imports, and what they import publicly. */
  visibleFrom(file: FileDescriptor): Set<string> {
    const visible = new Set([file.name]);
    const visit = (path: string): void => {
      if (visible.has(path)) return;
      visible.add(path);
      const imported = this.files.get(path)?.file;
      for (const index of imported?.publicDependency ?? []) visit(imported!.dependency[index] ?? '');
    };
    file.dependency.forEach(visit);
    return visible;
  }

  #add(given: ReadonlyMap<string, LinkedFile>): void {
    const order = this.#inOrder(given);
    for (const linked of order) {
      this.files.set(linked.file.name, linked);
      this.#declareFile(linked);
    }
    // Built-in files were resolved, interpreted and checked when they were generated.
    const others = order.filter(({ builtin }) => !builtin);
    for (const linked of others) resolveTypes(this, linked);
    for (const { file } of order) this.#declareExtensions(file);
    for (const linked of others) interpretOptions(this, linked);
    for (const linked of others) checkFile(this, linked);
  }

  /** Imports before what imports them; built-in files join as they are needed. */
  #inOrder(given: ReadonlyMap<string, LinkedFile>): LinkedFile[] {
    const order: LinkedFile[] = [],
      state = new Map<string, 'open' | 'done'>();
    const visit = (path: string, from: LinkedFile | undefined): void => {
      if (state.get(path) === 'done' || this.files.has(path)) return;
      if (state.get(path) === 'open')
        throw from!.error(`${path} and this file import each other: move what both need to a third file`, path);
      const linked = given.get(path) ?? builtinFile(path, from?.hidden ?? false);
      if (!linked)
        throw from!.error(
          `imports ${path}, which is not among the files: check the path, which is relative to the root of the files`,
          path,
        );
      state.set(path, 'open');
      for (const dependency of linked.file.dependency) visit(dependency, linked);
      state.set(path, 'done');
      order.push(linked);
    };
    for (const path of given.keys()) visit(path, undefined);
    return order;
  }

  #declareFile(linked: LinkedFile): void {
    const { file } = linked,
      scope = file.package ?? '';
    for (let dot = scope.length; dot > 0; dot = scope.lastIndexOf('.', dot - 1)) {
      const name = scope.slice(0, dot),
        known = this.symbols.get(name);
      if (known && known.kind !== 'package')
        throw linked.error(`package ${name} is also the name of something in ${known.file.file.name}`);
      this.symbols.set(name, known ?? { kind: 'package', file: linked });
    }
    file.messageType.forEach((message, index) => this.#declareMessage(linked, message, { scope, path: [4, index] }));
    file.enumType.forEach((one, index) => this.#declareEnum(linked, one, { scope, path: [5, index] }));
    file.service.forEach((service, index) => {
      const name = this.#declare(scope, service, {
        kind: 'service',
        file: linked,
        descriptor: service,
        path: [6, index],
      });
      for (const method of service.method) this.#declare(name, method, { kind: 'member', file: linked });
    });
    file.extension.forEach((extension, index) => {
      this.#declare(scope, extension, {
        kind: 'extension',
        file: linked,
        descriptor: extension,
        path: [7, index],
        scope,
      });
    });
  }

  #declareMessage(file: LinkedFile, message: MessageDescriptor, place: Place): void {
    const { path } = place;
    const scope = this.#declare(place.scope, message, {
      kind: 'message',
      file,
      descriptor: message,
      path,
      parent: place.parent,
    });
    for (const member of [...message.field, ...message.oneofDecl])
      this.#declare(scope, member, { kind: 'member', file });
    message.nestedType.forEach((nested, index) =>
      this.#declareMessage(file, nested, { scope, path: [...path, 3, index], parent: scope }),
    );
    message.enumType.forEach((nested, index) =>
      this.#declareEnum(file, nested, { scope, path: [...path, 4, index], parent: scope }),
    );
    message.extension.forEach((extension, index) => {
      this.#declare(scope, extension, {
        kind: 'extension',
        file,
        descriptor: extension,
        path: [...path, 6, index],
        scope,
      });
    });
  }

  #declareEnum(file: LinkedFile, descriptor: EnumDescriptor, { scope, path, parent }: Place): void {
    this.#declare(scope, descriptor, { kind: 'enum', file, descriptor, path, parent });
    // Values are siblings of their enum, not children of it, as in C++.
    for (const value of descriptor.value) this.#declare(scope, value, { kind: 'member', file });
  }

  #declare(scope: string, declared: { readonly name: string }, symbol: Definition): string {
    const fullName = scope ? `${scope}.${declared.name}` : declared.name;
    const known = this.symbols.get(fullName);
    if (known) {
      const where = known.file === symbol.file ? 'in this file' : `in ${known.file.file.name}`;
      const hint =
        symbol.kind === 'member' && known.kind === 'member'
          ? ' (values of an enum share the names of what is around the enum)'
          : '';
      throw symbol.file.error(`${fullName} is already defined ${where}: choose another name${hint}`, declared);
    }
    this.symbols.set(fullName, symbol);
    return fullName;
  }

  #declareExtensions(file: FileDescriptor): void {
    for (const symbol of this.symbols.values()) {
      if (symbol.kind !== 'extension' || symbol.file.file !== file) continue;
      const extendee = symbol.descriptor.extendee!.slice(1);
      this.extensions.set(extendee, [...(this.extensions.get(extendee) ?? []), symbol]);
    }
  }
}

interface Place {
  readonly scope: string;
  readonly path: readonly number[];
  readonly parent?: string;
}

function sourceFile({ file, pending, lexer, offsets }: ParsedFile, hidden: boolean): LinkedFile {
  const error = (problem: string, at?: object | string | number): MicroError =>
    lexer.error(problem, typeof at === 'number' ? at : at === undefined ? 0 : (offsets.get(at) ?? 0));
  return { file, hidden, pending, error };
}

function descriptorFile(file: FileDescriptor, bytes: Uint8Array): LinkedFile {
  return {
    file,
    bytes,
    hidden: false,
    pending: [],
    error: (problem) => new MicroError('invalid_argument', `${file.name}: ${problem}`),
  };
}

function builtinFile(path: string, hidden: boolean): LinkedFile | undefined {
  const file = builtinDescriptor(path);
  return (
    file && {
      file,
      hidden,
      builtin: true,
      pending: [],
      error: (problem) => new MicroError('invalid_argument', `${path}: ${problem}`),
    }
  );
}
