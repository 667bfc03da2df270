// Generated from helloworld.proto by `micro gen`. Do not edit: change the .proto and generate again.
import { parseSchema, type BidiStream, type ServerStream, type Unary } from '@micro/service';

const schema = parseSchema({
  'helloworld.proto': `syntax = "proto3";

package helloworld;

// Greets, counts and plays.
service Helloworld {
  // Says hello.
  rpc Call(CallRequest) returns (CallResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  // Counts up to a number, a message each.
  rpc Stream(StreamRequest) returns (stream StreamResponse);
  // Answers each ping with a pong.
  rpc PingPong(stream Ping) returns (stream Pong);
}

message CallRequest {
  // Whom to greet.
  string name = 1;
}

message CallResponse {
  string msg = 1;
}

message StreamRequest {
  // How far to count.
  int32 count = 1;
}

message StreamResponse {
  int32 count = 1;
}

message Ping {
  int32 stroke = 1;
}

message Pong {
  int32 stroke = 1;
}
`,
});

/** Greets, counts and plays. */
export const Helloworld = schema.service<{
  /** Says hello. */
  call: Unary<CallRequest, CallResponse>;
  /** Counts up to a number, a message each. */
  stream: ServerStream<StreamRequest, StreamResponse>;
  /** Answers each ping with a pong. */
  pingPong: BidiStream<Ping, Pong>;
}>('helloworld.Helloworld');

export interface CallRequest {
  /** Whom to greet. */
  name: string;
}

export interface CallResponse {
  msg: string;
}

export interface StreamRequest {
  /** How far to count. */
  count: number;
}

export interface StreamResponse {
  count: number;
}

export interface Ping {
  stroke: number;
}

export interface Pong {
  stroke: number;
}
