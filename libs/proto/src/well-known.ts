/** Messages of google/protobuf as TypeScript sees them: what generated code refers to. */

/** A point in time. `timestampFromDate` and `dateFromTimestamp` convert it. */
export interface Timestamp {
  /** Since 1970-01-01T00:00:00Z. */
  seconds: bigint;
  /** From 0 to 999999999. */
  nanos: number;
}

/** A span of time; seconds and nanos have one sign. */
export interface Duration {
  seconds: bigint;
  nanos: number;
}

/** Any message, encoded, with the URL of its type: `type.googleapis.com/package.Message`. */
export interface Any {
  typeUrl: string;
  value: Uint8Array;
}

export type Empty = object;

/** Paths of fields, in snake_case. */
export interface FieldMask {
  paths: string[];
}

/** A JSON object. */
export interface Struct {
  fields: { [key: string]: Value };
}

/** A JSON value: exactly one field is set; `nullValue` is 0. */
export interface Value {
  nullValue?: number;
  numberValue?: number;
  stringValue?: string;
  boolValue?: boolean;
  structValue?: Struct;
  listValue?: ListValue;
}

/** A JSON array. */
export interface ListValue {
  values: Value[];
}

/** google.protobuf.NullValue: its only number. */
export type NullValue = number;

/** A scalar that can be absent. */
export interface Wrapper<T> {
  value: T;
}

export type DoubleValue = Wrapper<number>;
export type FloatValue = Wrapper<number>;
export type Int64Value = Wrapper<bigint>;
export type UInt64Value = Wrapper<bigint>;
export type Int32Value = Wrapper<number>;
export type UInt32Value = Wrapper<number>;
export type BoolValue = Wrapper<boolean>;
export type StringValue = Wrapper<string>;
export type BytesValue = Wrapper<Uint8Array>;

/** A Date as a Timestamp, exact to the millisecond. */
export function timestampFromDate(date: Date): Timestamp {
  const ms = date.getTime(),
    seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1_000_000 };
}

/** A Timestamp as a Date; what is finer than a millisecond is cut off. */
export function dateFromTimestamp({ seconds, nanos }: Readonly<Timestamp>): Date {
  return new Date(Number(seconds) * 1000 + Math.floor(nanos / 1_000_000));
}
