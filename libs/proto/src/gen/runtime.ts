// Generated from runtime.proto by `micro gen`. Do not edit: change the .proto and generate again.
import { parseSchema, type ServerStream, type Unary } from '../runtime.js';

const schema = parseSchema({
  'runtime.proto': `syntax = "proto3";

package runtime;

// Runs services. The namespace is that of the call (metadata \`micro-namespace\`).
service Runtime {
  // Builds and starts a service, telling each step as it happens; the last message has the service, with status ERROR and a reason if it could
  // not be built or started. already_exists if one of that name runs, unless \`force\`.
  rpc Create(CreateRequest) returns (stream Progress);
  // Services and the truth about them.
  rpc Read(ReadRequest) returns (ReadResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  // Builds again from the source and replaces instances one by one, so that no call is lost.
  rpc Update(UpdateRequest) returns (stream Progress);
  // Stops a service and forgets it; not_found if there is none.
  rpc Delete(DeleteRequest) returns (DeleteResponse) {
    option idempotency_level = IDEMPOTENT;
  }
  // Lines that a service wrote, oldest first; with \`follow\`, then each new one as it comes.
  rpc Logs(LogsRequest) returns (stream LogLine);
}

message Service {
  string name = 1;
  string version = 2;
  // Absolute path of a local folder; empty for a bare command.
  string source = 3;
  map<string, string> metadata = 4;
  Status status = 5;
  // Why, where the status is ERROR; also the failure of an update that left the old instances running.
  string message = 6;
  repeated Instance instances = 7;
  // Milliseconds since the epoch.
  int64 updated_ms = 8;
  // How many instances are wanted.
  uint32 wanted = 9;
  // Program and arguments, where there is no source to build.
  repeated string command = 10;
  // Built again and replaced on every change of the source.
  bool watch = 11;
}

enum Status {
  PENDING = 0;
  BUILDING = 1;
  STARTING = 2;
  RUNNING = 3;
  STOPPING = 4;
  STOPPED = 5;
  ERROR = 6;
}

message Instance {
  string id = 1;
  Status status = 2;
  string message = 3;
  uint32 pid = 4;
  // \`host:port\`, once registered or known.
  string address = 5;
  uint32 restarts = 6;
  int64 started_ms = 7;
}

message CreateRequest {
  // Default: the name in the source's package.json, without its scope, else the folder's name.
  string name = 1;
  // Default: \`latest\`.
  string version = 2;
  string source = 3;
  // Run this instead of a built source: program and arguments.
  repeated string command = 4;
  map<string, string> env = 5;
  map<string, string> metadata = 6;
  // Default: 1.
  uint32 instances = 7;
  // Replace a service of that name.
  bool force = 8;
  // Build again and replace on every change of the source.
  bool watch = 9;
}

message UpdateRequest {
  string name = 1;
  // What is left out stays as it is.
  optional string source = 2;
  optional uint32 instances = 3;
  map<string, string> env = 4;
  map<string, string> metadata = 5;
}

message Progress {
  Status status = 1;
  // One step for people: \`building with SWC\`, \`waiting for helloworld to be healthy\`.
  string step = 2;
  // The service, in the last message.
  Service service = 3;
}

message ReadRequest {
  // Empty for all.
  string name = 1;
}
message ReadResponse {
  repeated Service services = 1;
}

message DeleteRequest {
  string name = 1;
}
message DeleteResponse {}

message LogsRequest {
  string name = 1;
  bool follow = 2;
  // Only the last so many lines; 0 for all that are kept.
  uint32 lines = 3;
  // Only what is younger, in milliseconds since the epoch; 0 for all.
  int64 since_ms = 4;
}

message LogLine {
  int64 time_ms = 1;
  string instance = 2;
  // \`stdout\` or \`stderr\`.
  string stream = 3;
  string text = 4;
}
`,
});

/** Runs services. The namespace is that of the call (metadata `micro-namespace`). */
export const Runtime = schema.service<{
  /**
   * Builds and starts a service, telling each step as it happens; the last message has the service, with status ERROR and a reason if it could
   * not be built or started. already_exists if one of that name runs, unless `force`.
   */
  create: ServerStream<CreateRequest, Progress>;
  /** Services and the truth about them. */
  read: Unary<ReadRequest, ReadResponse>;
  /** Builds again from the source and replaces instances one by one, so that no call is lost. */
  update: ServerStream<UpdateRequest, Progress>;
  /** Stops a service and forgets it; not_found if there is none. */
  delete: Unary<DeleteRequest, DeleteResponse>;
  /** Lines that a service wrote, oldest first; with `follow`, then each new one as it comes. */
  logs: ServerStream<LogsRequest, LogLine>;
}>('runtime.Runtime');

export interface Service {
  name: string;
  version: string;
  /** Absolute path of a local folder; empty for a bare command. */
  source: string;
  metadata: { [key: string]: string };
  status: Status;
  /** Why, where the status is ERROR; also the failure of an update that left the old instances running. */
  message: string;
  instances: Instance[];
  /** Milliseconds since the epoch. */
  updatedMs: bigint;
  /** How many instances are wanted. */
  wanted: number;
  /** Program and arguments, where there is no source to build. */
  command: string[];
  /** Built again and replaced on every change of the source. */
  watch: boolean;
}

export const Status = {
  PENDING: 0,
  BUILDING: 1,
  STARTING: 2,
  RUNNING: 3,
  STOPPING: 4,
  STOPPED: 5,
  ERROR: 6,
} as const;
export type Status = (typeof Status)[keyof typeof Status] | (number & {});

export interface Instance {
  id: string;
  status: Status;
  message: string;
  pid: number;
  /** `host:port`, once registered or known. */
  address: string;
  restarts: number;
  startedMs: bigint;
}

export interface CreateRequest {
  /** Default: the name in the source's package.json, without its scope, else the folder's name. */
  name: string;
  /** Default: `latest`. */
  version: string;
  source: string;
  /** Run this instead of a built source: program and arguments. */
  command: string[];
  env: { [key: string]: string };
  metadata: { [key: string]: string };
  /** Default: 1. */
  instances: number;
  /** Replace a service of that name. */
  force: boolean;
  /** Build again and replace on every change of the source. */
  watch: boolean;
}

export interface UpdateRequest {
  name: string;
  /** What is left out stays as it is. */
  source?: string;
  instances?: number;
  env: { [key: string]: string };
  metadata: { [key: string]: string };
}

export interface Progress {
  status: Status;
  /** One step for people: `building with SWC`, `waiting for helloworld to be healthy`. */
  step: string;
  /** The service, in the last message. */
  service?: Service;
}

export interface ReadRequest {
  /** Empty for all. */
  name: string;
}

export interface ReadResponse {
  services: Service[];
}

export interface DeleteRequest {
  name: string;
}

export interface DeleteResponse {}

export interface LogsRequest {
  name: string;
  follow: boolean;
  /** Only the last so many lines; 0 for all that are kept. */
  lines: number;
  /** Only what is younger, in milliseconds since the epoch; 0 for all. */
  sinceMs: bigint;
}

export interface LogLine {
  timeMs: bigint;
  instance: string;
  /** `stdout` or `stderr`. */
  stream: string;
  text: string;
}
