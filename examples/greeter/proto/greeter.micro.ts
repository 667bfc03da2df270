// Generated from greeter.proto by `micro gen`. Do not edit: change the .proto and generate again.
import { parseSchema, type Unary } from '@micro/service';

const schema = parseSchema({
  'greeter.proto': `syntax = "proto3";

package greeter;

// Greets several people at once, with the help of the helloworld service.
service Greeter {
  rpc Greet(GreetRequest) returns (GreetResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
}

message GreetRequest {
  repeated string names = 1;
}

message GreetResponse {
  repeated string greetings = 1;
}
`,
});

/** Greets several people at once, with the help of the helloworld service. */
export const Greeter = schema.service<{
  greet: Unary<GreetRequest, GreetResponse>;
}>('greeter.Greeter');

export interface GreetRequest {
  names: string[];
}

export interface GreetResponse {
  greetings: string[];
}
