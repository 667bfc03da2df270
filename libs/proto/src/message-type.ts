import type { Init, JsonValue, Message, MessageCodec } from './definition.js';
import { type Field, linkFields, type TypeSource } from './field.js';
import { asMicroError, describe, Invalid } from './invalid.js';
import { compileFromJson, type FromJson } from './json/compile-from-json.js';
import { compileToJson, type ToJson } from './json/compile-to-json.js';
import { type WellKnown, wellKnownJson } from './json/well-known.js';
import { checkRequired } from './required.js';
import { compileRead, type Read } from './wire/compile-read.js';
import { compileWrite, type Write } from './wire/compile-write.js';
import { deepest, Reader } from './wire/reader.js';
import { Writer } from './wire/writer.js';

const writer = new Writer();
let writing = false;

/** One message type and its codecs, each compiled when it is first used. */
export class MessageType implements MessageCodec {
  readonly name: string;
  readonly comment: string;
  readonly source: TypeSource;
  #fields: readonly Field[] | undefined;

  /** The functions behind the codec, without its checks at the edge: for other types. They throw Invalid. */
  write: Write = (message, to) => (this.write = compileWrite(this))(message, to);
  // eslint-disable-next-line max-params -- see Read
  read: Read = (reader, end, depth, stop, into) => (this.read = compileRead(this))(reader, end, depth, stop, into);
  jsonOut: ToJson = (message) => (this.jsonOut = this.#json().toJson)(message);
  jsonIn: FromJson = (json, ignore, depth) => (this.jsonIn = this.#json().fromJson)(json, ignore, depth);

  constructor(source: TypeSource) {
    this.name = source.name;
    this.comment = source.comment;
    this.source = source;
  }

  get fields(): readonly Field[] {
    return (this.#fields ??= linkFields(this.source));
  }

  encode(message: Init<Message>): Uint8Array {
    try {
      return this.encodeIn(message);
    } catch (error) {
      throw asMicroError(error, this.name);
    }
  }

  decode(bytes: Uint8Array): Message {
    try {
      return this.decodeIn(bytes);
    } catch (error) {
      throw asMicroError(error, this.name);
    }
  }

  toJson(message: Init<Message>): JsonValue {
    try {
      if (typeof message !== 'object' || message === null)
        throw new Invalid(`expected an object, not ${describe(message)}`);
      return this.jsonOut(message);
    } catch (error) {
      throw asMicroError(error, this.name);
    }
  }

  fromJson(json: JsonValue, options?: { readonly ignoreUnknownFields?: boolean }): Message {
    try {
      const message = this.jsonIn(json, options?.ignoreUnknownFields === true, deepest);
      checkRequired(this, message);
      return message;
    } catch (error) {
      throw asMicroError(error, this.name);
    }
  }

  /** A message with nothing set. */
  empty(): object {
    return this.read(nothing, 0, deepest, 0);
  }

  encodeIn(message: object): Uint8Array {
    if (typeof message !== 'object' || message === null)
      throw new Invalid(`expected an object, not ${describe(message)}`);
    checkRequired(this, message);
    return this.encodePartial(message);
  }

  decodeIn(bytes: Uint8Array): object {
    const message = this.decodePartial(bytes);
    checkRequired(this, message);
    return message;
  }

  /** Encodes without asking whether required fields are set. */
  encodePartial(message: object): Uint8Array {
    // A getter of the message may encode another: only the outermost has the shared buffer.
    const to = writing ? new Writer() : writer;
    const outermost = !writing;
    writing = true;
    try {
      this.write(message, to);
      return to.finish();
    } finally {
      if (outermost) writing = false;
      to.reset();
    }
  }

  /** Decodes without asking whether required fields are set. */
  decodePartial(bytes: Uint8Array): object {
    if (!(bytes instanceof Uint8Array)) throw new Invalid(`expected bytes, not ${describe(bytes)}`);
    return this.read(new Reader(bytes), bytes.length, deepest, 0);
  }

  #json(): WellKnown {
    const plain = (): WellKnown => ({ toJson: compileToJson(this), fromJson: compileFromJson(this) });
    return wellKnownJson(this, plain) ?? plain();
  }
}

const nothing = new Reader(new Uint8Array());
