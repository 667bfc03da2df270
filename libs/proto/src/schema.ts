import { MicroError } from '@micro/errors';
import type {
  Message,
  MessageCodec,
  MethodDefinition,
  MethodTypes,
  ServiceDefinition,
  ServiceSchema,
} from './definition.js';
import type { FileDescriptor } from './descriptor.js';
import { asMicroError } from './invalid.js';
import type { MessageType } from './message-type.js';
import { linkService } from './service.js';
import { Pool } from './source/pool.js';
import { Types } from './types.js';
import { Reader } from './wire/reader.js';
import { Writer } from './wire/writer.js';

/** The schema of .proto sources, by the names that they import each other by. Throws MicroError `invalid_argument` naming file and line. */
export function parseSchema(files: Readonly<Record<string, string>>): Schema {
  return new Schema(Pool.fromSources(files));
}

/** The schema in a serialised google.protobuf.FileDescriptorSet. Throws MicroError `invalid_argument` if it is none, or lacks files. */
export function schemaFromDescriptorSet(bytes: Uint8Array): Schema {
  try {
    const set = splitDescriptorSet(bytes);
    const plain = decodeFiles(set, new Schema(new Pool()));
    const pool = Pool.fromDescriptors(plain);
    if (![...pool.extensions.keys()].some((extendee) => extendee.startsWith('google.protobuf.')))
      return new Schema(pool);
    // Custom options can be read only by those who know them, and they are defined in the set itself.
    const knowing = Pool.fromDescriptors(plain.filter(({ file }) => file.name !== descriptorPath));
    return new Schema(Pool.fromDescriptors(decodeFiles(set, new Schema(knowing))));
  } catch (error) {
    throw asMicroError(error, 'google.protobuf.FileDescriptorSet');
  }
}

const descriptorPath = 'google/protobuf/descriptor.proto';

/** Services, methods and messages of a set of .proto files. */
export class Schema implements ServiceSchema {
  /** By full name, those of imported files too. */
  readonly services: ReadonlyMap<string, ServiceDefinition>;
  readonly #pool: Pool;
  readonly #types: Types;
  readonly #methods = new Map<string, MethodDefinition>();
  #files: ReadonlyMap<string, Uint8Array> | undefined;

  /** Use `parseSchema` or `schemaFromDescriptorSet`. */
  constructor(pool: Pool) {
    this.#pool = pool;
    this.#types = new Types(pool);
    const services = new Map<string, ServiceDefinition>();
    for (const [name, definition] of pool.symbols) {
      if (definition.kind !== 'service') continue;
      const service = linkService(name, definition, { schema: this, types: this.#types });
      services.set(name, service);
      for (const method of service.methods) this.#methods.set(method.path, method);
    }
    this.services = services;
  }

  /** A service by its full name. Throws MicroError `not_found`. */
  service<M extends MethodTypes = MethodTypes>(fullName: string): ServiceDefinition<M> {
    const service = this.services.get(fullName);
    if (!service)
      throw new MicroError(
        'not_found',
        `there is no service ${fullName} in the schema: it has ${[...this.services.keys()].join(', ') || 'none'}`,
      );
    return service as ServiceDefinition<M>;
  }

  /** The codec of a message by its full name; those of google/protobuf are always there. Throws MicroError `not_found`. */
  message<T extends Message = Message>(fullName: string): MessageCodec<T> {
    const type = this.#types.message(fullName);
    if (!type) throw new MicroError('not_found', `there is no message ${fullName} in the schema`);
    return type as MessageCodec as MessageCodec<T>;
  }

  /** A method by its path, `/package.Service/Method`. */
  method(path: string): MethodDefinition | undefined {
    return this.#methods.get(path);
  }

  /** Serialised google.protobuf.FileDescriptorProto of every file by its name, imports before what imports them. */
  files(): ReadonlyMap<string, Uint8Array> {
    if (!this.#files) {
      const files = new Map<string, Uint8Array>();
      for (const [name, { file, bytes, hidden }] of this.#pool.files) {
        if (!hidden) files.set(name, bytes ?? this.#fileType().encodePartial(file));
      }
      this.#files = files;
    }
    return this.#files;
  }

  /** Name of the file that defines a message, enum, service, method, field or extension, by its full name; undefined if none does. */
  fileOf(symbol: string): string | undefined {
    const definition = this.#pool.symbols.get(symbol);
    return definition === undefined || definition.kind === 'package' || definition.file.hidden
      ? undefined
      : definition.file.file.name;
  }

  descriptorSet(): Uint8Array {
    const writer = new Writer();
    for (const bytes of this.files().values()) {
      writer.uint32(0x0a);
      writer.bytes(bytes);
    }
    return writer.finish();
  }

  /** Reads a serialised FileDescriptorProto, with the custom options that this schema knows. */
  decodeFile(bytes: Uint8Array): FileDescriptor {
    return this.#fileType().decodePartial(bytes) as FileDescriptor;
  }

  #fileType(): MessageType {
    return this.#types.message('google.protobuf.FileDescriptorProto')!;
  }
}

function splitDescriptorSet(bytes: Uint8Array): Uint8Array[] {
  const reader = new Reader(bytes),
    files: Uint8Array[] = [];
  while (reader.pos < bytes.length) {
    const tag = reader.tag();
    if (tag === 0x0a) files.push(reader.bytes());
    else reader.skip(tag, 1);
  }
  return files;
}

function decodeFiles(set: readonly Uint8Array[], schema: Schema): { file: FileDescriptor; bytes: Uint8Array }[] {
  return set.map((bytes) => {
    const file = schema.decodeFile(bytes);
    if (typeof file.name !== 'string')
      throw new MicroError('invalid_argument', 'a file of the FileDescriptorSet has no name');
    return { file, bytes };
  });
}
