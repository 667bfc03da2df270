/** A comment as JSDoc, with a line break after it; empty if there is nothing to say. */
export function docComment(lines: readonly string[], indent = ''): string {
  const text = lines
    .filter((line) => line !== '')
    .join('\n')
    .replaceAll('*/', '*\\/');
  if (text === '') return '';
  if (!text.includes('\n')) return `${indent}/** ${text} */\n`;
  return [`${indent}/**`, ...text.split('\n').map((line) => `${indent} * ${line}`.trimEnd()), `${indent} */`, ''].join(
    '\n',
  );
}

/** A name as a key of an object or interface. */
export function propertyKey(name: string): string {
  if (name === '__proto__') return "['__proto__']";
  return /^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name);
}

export function quote(text: string): string {
  return `'${text.replace(/['\\]/g, '\\$&').replaceAll('\n', '\\n')}'`;
}

/** Text as a template literal, which keeps it readable. */
export function templateLiteral(text: string): string {
  return `\`${text.replace(/[\\`]|\$\{/g, '\\$&').replaceAll('\r', '\\r')}\``;
}

/** Path from one file to another as a module imports it; both relative to one root. */
export function relativeModule(from: string, to: string): string {
  const base = from.split('/').slice(0, -1),
    target = to.split('/');
  let same = 0;
  while (same < base.length && same < target.length - 1 && base[same] === target[same]) same++;
  const up = base.slice(same).map(() => '..');
  return [...(up.length > 0 ? up : ['.']), ...target.slice(same)].join('/');
}
