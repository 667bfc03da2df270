import type { FieldDescriptor, SourceLocation } from './descriptor.js';
import { fileFeatures, type Features, withFeatures } from './features.js';
import type { EnumType, TypeSource } from './field.js';
import { MessageType } from './message-type.js';
import { readableComment } from './source/lexer.js';
import type { Definition, LinkedFile, Pool } from './source/pool.js';

/** Message types and enums of a pool of files, each made when it is first asked for. */
export class Types {
  readonly #pool: Pool;
  readonly #messages = new Map<string, MessageType>();
  readonly #enums = new Map<string, EnumType>();
  readonly #comments = new WeakMap<object, ReadonlyMap<string, SourceLocation>>();

  constructor(pool: Pool) {
    this.#pool = pool;
  }

  /** A message type by its full name; undefined if there is none. */
  message(fullName: string): MessageType | undefined {
    const known = this.#messages.get(fullName);
    if (known) return known;
    const definition = this.#pool.find(fullName);
    if (definition?.kind !== 'message') return undefined;
    const type = new MessageType(this.#sourceOf(fullName, definition));
    this.#messages.set(fullName, type);
    return type;
  }

  /** Comment of what is at this path of a file's descriptor: the leading one, else the trailing one. */
  comment(linked: LinkedFile, path: readonly number[]): string {
    let comments = this.#comments.get(linked);
    if (!comments) {
      comments = new Map(linked.file.sourceCodeInfo?.location.map((location) => [location.path.join(), location]));
      this.#comments.set(linked, comments);
    }
    const location = comments.get(path.join());
    return readableComment(location?.leadingComments || location?.trailingComments);
  }

  #enum(fullName: string): EnumType {
    const known = this.#enums.get(fullName);
    if (known) return known;
    const definition = this.#pool.find(fullName);
    if (definition?.kind !== 'enum') throw new Error(`enum ${fullName} was resolved and is gone`);
    const { descriptor, file, parent } = definition;
    const values = Object.create(null) as Record<string, number>,
      names = new Map<number, string>();
    for (const { name, number } of descriptor.value) {
      values[name] = number;
      if (!names.has(number)) names.set(number, name);
    }
    const closed = withFeatures(this.#featuresOf(file, parent), descriptor.options).enumType === 2;
    const type: EnumType = { name: fullName, values, names, closed };
    this.#enums.set(fullName, type);
    return type;
  }

  #sourceOf(fullName: string, { file, descriptor, path }: Extract<Definition, { kind: 'message' }>): TypeSource {
    const extensions = (this.#pool.extensions.get(fullName) ?? []).map((extension) => ({
      descriptor: extension.descriptor,
      fullName: extension.scope ? `${extension.scope}.${extension.descriptor.name}` : extension.descriptor.name,
      features: this.#featuresOf(extension.file, extension.scope),
      comment: () => this.comment(extension.file, extension.path),
    }));
    return {
      name: fullName,
      comment: this.comment(file, path),
      descriptor,
      features: this.#featuresOf(file, fullName),
      extensions,
      message: (name) => this.message(name) ?? fail(name),
      enum: (name) => this.#enum(name),
      commentOf: (field: FieldDescriptor) => {
        const index = descriptor.field.indexOf(field);
        if (index >= 0) return this.comment(file, [...path, 2, index]);
        return extensions.find((one) => one.descriptor === field)?.comment() ?? '';
      },
      anyType: (name) => this.message(name),
    };
  }

  /** Features of a message, which inherits them from the messages around it and from its file. */
  #featuresOf(linked: LinkedFile, fullName: string | undefined): Features {
    const definition = fullName === undefined ? undefined : this.#pool.find(fullName);
    if (definition?.kind !== 'message') return fileFeatures(linked.file);
    return withFeatures(this.#featuresOf(linked, definition.parent), definition.descriptor.options);
  }
}

function fail(name: string): never {
  throw new Error(`message ${name} was resolved and is gone`);
}
