import { parseSchema, type Unary } from '@micro/proto';

/** A method that is not idempotent, so that no retry hides a lost call. */
export const rolling = parseSchema({
  'rolling.proto': `syntax = "proto3"; package rolling;
    service Rolling { rpc Work(Job) returns (Job); }
    message Job { int32 id = 1; int32 pid = 2; }`,
}).service<{ work: Unary<{ id: number; pid: number }, { id: number; pid: number }> }>('rolling.Rolling');
