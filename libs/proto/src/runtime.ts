/** What generated code imports. */
export type { BidiStream, ClientStream, ServerStream, Unary } from './definition.js';
export { parseSchema } from './schema.js';
