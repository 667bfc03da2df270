// Generated from registry.proto by `micro gen`. Do not edit: change the .proto and generate again.
import { parseSchema, type ServerStream, type Unary } from '../runtime.js';

const schema = parseSchema({
  'registry.proto': `syntax = "proto3";

package registry;

// Who runs where. The namespace is that of the call (metadata \`micro-namespace\`).
service Registry {
  // Announces nodes of a service, or renews them. A registration that is not renewed within its time to live expires.
  rpc Register(RegisterRequest) returns (RegisterResponse) {
    option idempotency_level = IDEMPOTENT;
  }
  // Takes nodes of a service off the list at once. Nodes that are not there are no error.
  rpc Deregister(DeregisterRequest) returns (DeregisterResponse) {
    option idempotency_level = IDEMPOTENT;
  }
  // All versions of one service; not_found if no node of it is alive.
  rpc GetService(GetServiceRequest) returns (GetServiceResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  // All services, by name and then by version.
  rpc ListServices(ListServicesRequest) returns (ListServicesResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  // What is there now, as created, then \`synced\` once, then every change as it happens.
  rpc Watch(WatchRequest) returns (stream Event);
}

// One version of a service and the nodes that run it.
message Service {
  string name = 1;
  string version = 2;
  map<string, string> metadata = 3;
  repeated Endpoint endpoints = 4;
  repeated Node nodes = 5;
  // Serialised google.protobuf.FileDescriptorSet of the service's own files; empty if it has none.
  bytes schema = 6;
}

// One callable method.
message Endpoint {
  // For people and for the gateway: \`Helloworld.Call\`.
  string name = 1;
  // Full method path: \`/helloworld.Helloworld/Call\`.
  string path = 2;
  MethodKind kind = 3;
  Idempotency idempotency = 4;
  // Full name of the request message, to be looked up in the schema.
  string request = 5;
  // Full name of the response message.
  string response = 6;
  map<string, string> metadata = 7;
}

enum MethodKind {
  UNARY = 0;
  CLIENT_STREAM = 1;
  SERVER_STREAM = 2;
  BIDI_STREAM = 3;
}

enum Idempotency {
  UNKNOWN = 0;
  NO_SIDE_EFFECTS = 1;
  IDEMPOTENT = 2;
}

// One running copy of a service.
message Node {
  string id = 1;
  // \`host:port\`.
  string address = 2;
  // \`protocol\` (comma-separated: connect, grpc, http), \`region\`, \`zone\`, and whatever the service adds.
  map<string, string> metadata = 3;
}

message RegisterRequest {
  Service service = 1;
  // Time to live in milliseconds; 0 for the default of 30 seconds.
  uint32 ttl_ms = 2;
}
message RegisterResponse {}

message DeregisterRequest {
  Service service = 1;
}
message DeregisterResponse {}

message GetServiceRequest {
  string name = 1;
}
message GetServiceResponse {
  repeated Service services = 1;
}

message ListServicesRequest {}
message ListServicesResponse {
  repeated Service services = 1;
}

message WatchRequest {
  // Only this service; empty for all.
  string name = 1;
}

message Event {
  enum Type {
    CREATED = 0;
    UPDATED = 1;
    DELETED = 2;
    // Everything that existed when the watch began has been sent.
    SYNCED = 3;
  }
  Type type = 1;
  // The version of the service as it is after the change; of a deleted one its name, version and last nodes.
  Service service = 2;
}
`,
});

/** Who runs where. The namespace is that of the call (metadata `micro-namespace`). */
export const Registry = schema.service<{
  /** Announces nodes of a service, or renews them. A registration that is not renewed within its time to live expires. */
  register: Unary<RegisterRequest, RegisterResponse>;
  /** Takes nodes of a service off the list at once. Nodes that are not there are no error. */
  deregister: Unary<DeregisterRequest, DeregisterResponse>;
  /** All versions of one service; not_found if no node of it is alive. */
  getService: Unary<GetServiceRequest, GetServiceResponse>;
  /** All services, by name and then by version. */
  listServices: Unary<ListServicesRequest, ListServicesResponse>;
  /** What is there now, as created, then `synced` once, then every change as it happens. */
  watch: ServerStream<WatchRequest, Event>;
}>('registry.Registry');

/** One version of a service and the nodes that run it. */
export interface Service {
  name: string;
  version: string;
  metadata: { [key: string]: string };
  endpoints: Endpoint[];
  nodes: Node[];
  /** Serialised google.protobuf.FileDescriptorSet of the service's own files; empty if it has none. */
  schema: Uint8Array;
}

/** One callable method. */
export interface Endpoint {
  /** For people and for the gateway: `Helloworld.Call`. */
  name: string;
  /** Full method path: `/helloworld.Helloworld/Call`. */
  path: string;
  kind: MethodKind;
  idempotency: Idempotency;
  /** Full name of the request message, to be looked up in the schema. */
  request: string;
  /** Full name of the response message. */
  response: string;
  metadata: { [key: string]: string };
}

export const MethodKind = {
  UNARY: 0,
  CLIENT_STREAM: 1,
  SERVER_STREAM: 2,
  BIDI_STREAM: 3,
} as const;
export type MethodKind = (typeof MethodKind)[keyof typeof MethodKind] | (number & {});

export const Idempotency = {
  UNKNOWN: 0,
  NO_SIDE_EFFECTS: 1,
  IDEMPOTENT: 2,
} as const;
export type Idempotency = (typeof Idempotency)[keyof typeof Idempotency] | (number & {});

/** One running copy of a service. */
export interface Node {
  id: string;
  /** `host:port`. */
  address: string;
  /** `protocol` (comma-separated: connect, grpc, http), `region`, `zone`, and whatever the service adds. */
  metadata: { [key: string]: string };
}

export interface RegisterRequest {
  service?: Service;
  /** Time to live in milliseconds; 0 for the default of 30 seconds. */
  ttlMs: number;
}

export interface RegisterResponse {}

export interface DeregisterRequest {
  service?: Service;
}

export interface DeregisterResponse {}

export interface GetServiceRequest {
  name: string;
}

export interface GetServiceResponse {
  services: Service[];
}

export interface ListServicesRequest {}

export interface ListServicesResponse {
  services: Service[];
}

export interface WatchRequest {
  /** Only this service; empty for all. */
  name: string;
}

export interface Event {
  type: Event_Type;
  /** The version of the service as it is after the change; of a deleted one its name, version and last nodes. */
  service?: Service;
}

export const Event_Type = {
  CREATED: 0,
  UPDATED: 1,
  DELETED: 2,
  /** Everything that existed when the watch began has been sent. */
  SYNCED: 3,
} as const;
export type Event_Type = (typeof Event_Type)[keyof typeof Event_Type] | (number & {});
