/** google.protobuf.Timestamp as TypeScript sees it. */
export interface TimestampLike {
  readonly seconds: bigint;
  readonly nanos: number;
}

/** A Date as a Timestamp, exact to the millisecond. */
export function timestampFromDate(date: Date): { seconds: bigint; nanos: number } {
  const ms = date.getTime();
  const seconds = Math.floor(ms / 1000);
  return { seconds: BigInt(seconds), nanos: (ms - seconds * 1000) * 1_000_000 };
}

/** A Timestamp as a Date; what is finer than a millisecond is cut off. */
export function dateFromTimestamp({ seconds, nanos }: TimestampLike): Date {
  return new Date(Number(seconds) * 1000 + Math.floor(nanos / 1_000_000));
}
