import { MicroError } from '@micro/errors';

/** An error with its code, its metadata and its stack, and the same of what caused it. */
export function causes(error: unknown): string {
  const parts: string[] = [];
  for (let cause: unknown = error, depth = 0; cause !== undefined && depth < 10; depth++) {
    parts.push(`${depth === 0 ? '' : 'caused by '}${described(cause)}`);
    cause = cause instanceof Error ? cause.cause : undefined;
  }
  return parts.join('\n');
}

function described(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const stack = error.stack ?? `${error.name}: ${error.message}`;
  if (!(error instanceof MicroError)) return stack;
  const metadata = Object.entries(error.metadata).map(([name, value]) => `${name}: ${String(value)}`);
  return [
    stack,
    `    id: ${error.id}, code: ${error.code}, status: ${error.status}`,
    ...metadata.map((line) => `    ${line}`),
  ].join('\n');
}
