import { type Schema, schemaFromDescriptorSet } from '@micro/proto';

/** A schema as the registry's JSON has it: a serialised FileDescriptorSet in base64. Apart, because it is slow to load and not always needed. */
export function readSchema(base64: string): Schema {
  return schemaFromDescriptorSet(Buffer.from(base64, 'base64'));
}
