/** Two files that have about everything that a .proto can have. */
export const shopFiles = {
  'common/money.proto': `syntax = "proto3";

package common;

// An amount in a currency.
message Money {
  Currency currency = 1;
  // In the smallest unit.
  int64 units = 2;

  // Not the money.
  message Rounding {
    enum Mode {
      HALF_UP = 0;
      HALF_EVEN = 1;
    }
    Mode mode = 1;
  }
}

enum Currency {
  CURRENCY_UNSPECIFIED = 0;
  EUR = 1;
}
`,
  'shop/shop.proto': `// What the shop sells, and to whom.
syntax = "proto3";

package shop.v1;

import "common/money.proto";
import "google/api/annotations.proto";
import "google/protobuf/any.proto";
import "google/protobuf/descriptor.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

option java_package = "com.example.shop";

extend google.protobuf.FieldOptions {
  // Who may see a field.
  string visible_to = 50001;
}

// Takes orders.
service Shop {
  option deprecated = true;

  // Places an order.
  rpc Place(Order) returns (Order) {
    option (google.api.http) = {
      post: "/v1/orders"
      body: "*"
      additional_bindings { put: "/v1/orders/{id}" body: "items" response_body: "id" }
      additional_bindings { custom { kind: "REPORT" path: "/v1/orders:report" } }
    };
    option idempotency_level = IDEMPOTENT;
  }
  // Reads an order.
  rpc Get(GetRequest) returns (Order) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Upload(stream Order) returns (google.protobuf.Empty);
  rpc Watch(GetRequest) returns (stream Order); // Tells every change.
  rpc Haggle(stream Order) returns (stream Order);
}

/**
 * An order.
 *
 *   With an indented line, and a star: *\\/ is safe.
 */
message Order {
  reserved 90 to 99, 200 to max;
  reserved "gone";

  string id = 1 [(visible_to) = "staff"]; // Trailing.
  // Its state.
  State state = 2;
  repeated Item items = 3;
  map<string, Item> by_name = 4;
  map<uint64, bytes> blobs = 5;
  map<bool, State> flags = 6;
  optional int32 priority = 7;
  optional string note = 8 [json_name = "remark-text"];
  oneof contact {
    // Where mail goes.
    string email = 9;
    uint64 phone = 10;
    Address address = 11;
    google.protobuf.NullValue nobody = 12;
  }
  common.Money total = 13;
  common.Currency currency = 14;
  common.Money.Rounding.Mode rounding = 15;
  google.protobuf.Timestamp at = 16;
  google.protobuf.Duration took = 17;
  google.protobuf.Struct extra = 18;
  google.protobuf.Value anything = 19;
  google.protobuf.ListValue list = 20;
  google.protobuf.Any detail = 21;
  google.protobuf.FieldMask mask = 22;
  google.protobuf.StringValue maybe = 23;
  google.protobuf.Int64Value maybe_count = 24;
  repeated sint64 deltas = 25 [packed = false];
  repeated double weights = 26;
  float ratio = 27;
  bytes digest = 28;
  fixed64 serial = 29;
  string constructor = 30;
  string class = 31 [deprecated = true];
  Order parent = 32;
  repeated google.protobuf.Timestamp seen = 33;
  google.protobuf.BytesValue maybe_bytes = 34;

  message Item {
    string sku = 1;
    uint32 count = 2;
    double price = 3;
  }
  enum State {
    option allow_alias = true;
    NEW = 0;
    // On its way.
    SENT = 1;
    SHIPPED = 1;
    LOST = -1;
  }
}

message Address {
  string street = 1;
}

message GetRequest {
  string id = 1;
}

// Words that TypeScript keeps for itself.
message Unary {
  string delete = 1;
}
`,
} as const;

/** A file in proto2, with what only that has. */
export const legacyFile = `syntax = "proto2";

package legacy;

message Legacy {
  required string name = 1;
  optional int32 age = 2 [default = 42];
  optional string greeting = 3 [default = "hi \\"you\\""];
  optional bytes raw = 4 [default = "\\001\\377"];
  optional double far = 5 [default = inf];
  optional Level level = 6 [default = HIGH];
  repeated int32 numbers = 7;
  repeated int32 packed_numbers = 8 [packed = true];
  optional group Inner = 9 {
    optional string word = 1;
  }
  repeated Legacy children = 10;
  extensions 100 to 199;
}

enum Level {
  LOW = 1;
  HIGH = 5;
}

extend Legacy {
  optional string nickname = 100;
  repeated Legacy friends = 101;
}
`;
