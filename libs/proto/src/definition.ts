/** What the rest of Micro knows of a .proto: services, methods and the codecs of their messages. Plain data and functions, no protobufjs. */

/** How many messages go each way. */
export type MethodKind = 'unary' | 'clientStream' | 'serverStream' | 'bidiStream';

/** `idempotency_level` of the method (google/protobuf/descriptor.proto): whether calling twice is as good as calling once. */
export type Idempotency = 'unknown' | 'noSideEffects' | 'idempotent';

export type JsonValue = null | boolean | number | string | JsonValue[] | { [key: string]: JsonValue };

/**
 * A message as TypeScript code sees it: fields in camelCase; 64-bit integers are bigint; enums are numbers; bytes are Uint8Array; maps are plain
 * objects; a field without presence always has a value (its default), a field with presence is undefined when unset; of a oneof only the set
 * member is defined.
 */
export type Message = object;

/** A message as it is given to be sent: every field may be left out, at any depth. */
export type Init<T> = T extends Uint8Array | bigint | number | string | boolean | null | undefined
  ? T
  : T extends readonly (infer E)[]
    ? readonly Init<E>[]
    : T extends object
      ? { readonly [K in keyof T]?: Init<T[K]> }
      : T;

/** Encodes and decodes one message type. Stateless; safe to share. */
export interface MessageCodec<T extends Message = Message> {
  /** Full name: `helloworld.CallRequest`. */
  readonly name: string;
  /** Leading comment of the message in its .proto, without comment marks; empty if there is none. */
  readonly comment: string;
  readonly fields: readonly FieldDefinition[];
  /** Protobuf wire format. Throws MicroError `invalid_argument` naming the field whose value has the wrong type. */
  encode(message: Init<T>): Uint8Array;
  /** Throws MicroError `invalid_argument` on bytes that are not this message. */
  decode(bytes: Uint8Array): T;
  /** Canonical proto3 JSON (protobuf.dev/programming-guides/json). */
  toJson(message: Init<T>): JsonValue;
  /** Reads canonical proto3 JSON, accepting every form the specification accepts. Throws MicroError `invalid_argument` naming the path of what is wrong. */
  fromJson(json: JsonValue, options?: { readonly ignoreUnknownFields?: boolean }): T;
}

/** One field of a message. */
export interface FieldDefinition {
  /** As in the .proto: `first_name`. */
  readonly name: string;
  /** As in JSON and TypeScript: `firstName`. Names that every object has (`constructor`, `toString`) get a `$` in TypeScript only. */
  readonly jsonName: string;
  readonly number: number;
  readonly comment: string;
  /** A scalar's name (`string`, `int64`, …), or `message` or `enum`. For a map: the type of its values. */
  readonly type: string;
  readonly repeated: boolean;
  /** Type of the keys, if the field is a map. */
  readonly mapKey?: string;
  /** Name of the oneof that it belongs to, if any; synthetic oneofs of `optional` are not named. */
  readonly oneof?: string;
  /** Whether unset and default can be told apart. */
  readonly presence: boolean;
  readonly message?: () => MessageCodec;
  readonly enum?: EnumDefinition;
}

export interface EnumDefinition {
  readonly name: string;
  readonly values: Readonly<Record<string, number>>;
}

/** One google.api.http binding: `GET /v1/{name=shelves/*}` with its body selector. */
export interface HttpRule {
  readonly method: string;
  readonly path: string;
  /** `*`, a field's name, or empty for none. */
  readonly body: string;
  readonly responseBody: string;
}

export interface MethodDefinition<I extends Message = Message, O extends Message = Message> {
  /** As in the .proto: `PingPong`. */
  readonly name: string;
  /** As in TypeScript: `pingPong`. */
  readonly localName: string;
  /** `/helloworld.Helloworld/PingPong`: path in both lanes. */
  readonly path: string;
  readonly kind: MethodKind;
  readonly idempotency: Idempotency;
  readonly comment: string;
  readonly http: readonly HttpRule[];
  readonly input: MessageCodec<I>;
  readonly output: MessageCodec<O>;
  readonly service: ServiceDefinition;
}

/** A service of a .proto. `M` maps local method names to their kinds and messages, and types handlers and clients. */
export interface ServiceDefinition<M extends MethodTypes = MethodTypes> {
  /** Full name: `helloworld.Helloworld`. */
  readonly name: string;
  /** `Helloworld`: the first half of an endpoint's name. */
  readonly shortName: string;
  /** `helloworld`: also the default name of the Micro service that serves it. */
  readonly package: string;
  readonly comment: string;
  readonly methods: readonly MethodDefinition[];
  readonly schema: ServiceSchema;
  /** Never set: carries the types. */
  readonly types?: M;
}

/** The files that a service was defined in. */
export interface ServiceSchema {
  /** Serialised google.protobuf.FileDescriptorSet of the files and all their imports, comments included. */
  descriptorSet(): Uint8Array;
}

export type MethodTypes = Readonly<Record<string, Unary | ClientStream | ServerStream | BidiStream>>;
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- variance: a method of any messages is a method
export interface Unary<I = any, O = any> {
  readonly kind: 'unary';
  readonly input: I;
  readonly output: O;
}
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
export interface ClientStream<I = any, O = any> {
  readonly kind: 'clientStream';
  readonly input: I;
  readonly output: O;
}
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
export interface ServerStream<I = any, O = any> {
  readonly kind: 'serverStream';
  readonly input: I;
  readonly output: O;
}
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
export interface BidiStream<I = any, O = any> {
  readonly kind: 'bidiStream';
  readonly input: I;
  readonly output: O;
}
