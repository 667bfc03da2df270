import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { shopFiles } from '../shop.fixture.js';
import { builtinModule } from './builtin.js';
import { generate } from './generate.js';

const workspace = fileURLToPath(new URL('../../../..', import.meta.url));
const readImport = (path: string): string | undefined => (shopFiles as Readonly<Record<string, string>>)[path];
const shop = generate({ path: 'shop/shop.proto', text: shopFiles['shop/shop.proto'] }, { readImport });

const one = (body: string): string => generate({ path: 'x.proto', text: `syntax = "proto3";\npackage x;\n${body}\n` });

describe('generate', () => {
  it('makes interfaces with comments, presence and oneofs', () => {
    expect(shop).toContain(
      `  /** Where mail goes.
   * At most one field`.replace('/** Where', '/**\n   * Where'),
    );
    for (const part of [
      '  /** Trailing. */\n  id: string;',
      '  items: Order_Item[];',
      '  byName: { [key: string]: Order_Item };',
      '  blobs: { [key: string]: Uint8Array };',
      '  priority?: number;',
      "  'remark-text'?: string;",
      '  phone?: bigint;',
      '  total?: Money;',
      '  currency: Currency;',
      '  rounding: Money_Rounding_Mode;',
      '  at?: Timestamp;',
      '  serial: bigint;',
      '  /** @deprecated */\n  class: string;',
      '  seen: Timestamp[];',
      'export interface Unary_ {',
      '  delete: string;',
    ]) {
      expect(shop).toContain(part);
    }
  });

  it('makes enums open, with a constant for each value', () => {
    expect(shop).toContain(`export const Order_State = {
  NEW: 0,
  /** On its way. */
  SENT: 1,
  SHIPPED: 1,
  LOST: -1,
} as const;
export type Order_State = (typeof Order_State)[keyof typeof Order_State] | (number & {});`);
  });

  it('makes a definition of each service', () => {
    expect(shop).toContain(`/**
 * Takes orders.
 * @deprecated
 */
export const Shop = schema.service<{
  /** Places an order. */
  place: Unary<Order, Order>;`);
    expect(shop).toContain("  haggle: BidiStream<Order, Order>;\n}>('shop.v1.Shop');");
  });

  it('imports what other files define from what is generated of those', () => {
    expect(shop).toContain("from '../common/money.micro.js';");
    expect(shop).toContain('  ...moneyFiles,');
  });

  it('names file, line and what to do in a .proto with a fault', () => {
    expect(() => one('message M { strng a = 1; }')).toThrow('x.proto:3:13: there is no message or enum strng');
    expect(() => one('import "gone.proto";')).toThrow(
      'x.proto imports gone.proto, which is not there: paths are relative to the folder of x.proto',
    );
  });

  it('cannot be made to end a comment or a literal', () => {
    const text = one(
      '// End: */ process.exit(1) /*\nmessage M {\n  // `${process.exit(1)}` \\ and \\`\n  string a = 1 [json_name = "it\'s \\\\ odd"];\n}',
    );
    expect(text).toContain('/** End: *\\/ process.exit(1) /* */');
    expect(text).toContain('\\`\\${process.exit(1)}\\` \\\\ and \\\\\\`');
  });
});

it('makes code that type-checks under strict and runs', { timeout: 60_000 }, async () => {
  await using folder = await temporaryFolder();
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(folder.path, path)), { recursive: true });
    writeFileSync(join(folder.path, path), text);
  };
  write('shop/shop.micro.ts', shop);
  write('common/money.micro.ts', generate({ path: 'common/money.proto', text: shopFiles['common/money.proto'] }));
  write('user.ts', user);
  symlinkSync(join(workspace, 'node_modules'), join(folder.path, 'node_modules'));
  const base = JSON.parse(readFileSync(join(workspace, 'tsconfig.base.json'), 'utf8')) as {
    compilerOptions: { paths: Record<string, [string]> };
  };
  const paths = Object.fromEntries(
    Object.entries(base.compilerOptions.paths).map(([name, [file]]) => [name, [join(workspace, file)]]),
  );
  const compilerOptions = {
    paths: { ...paths, '@micro/service': [join(workspace, 'libs/proto/src/index.ts')] },
    noEmit: true,
  };
  write(
    'tsconfig.json',
    JSON.stringify({
      extends: join(workspace, 'tsconfig.base.json'),
      compilerOptions,
      include: ['**/*.ts'],
      exclude: ['node_modules'],
    }),
  );
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', folder.path], { encoding: 'utf8' });
  expect(stdout).toBe('');
  expect(status).toBe(0);
});

/** What somebody writes against the generated code; lines that must not compile say so. */
const user = `
import type { Init, MessageCodec } from '@micro/service';
import { Order_State, Shop, type Order } from './shop/shop.micro.js';
import { Currency } from './common/money.micro.js';

const place = Shop.methods[0]!.input as MessageCodec<Order>;
const init: Init<Order> = { id: 'x', items: [{ sku: 'a' }], state: Order_State.SENT, currency: Currency.EUR, total: { units: 5n }, byName: { a: {} } };
const order: Order = place.decode(place.encode(init));
const id: string = order.id;
const phone: bigint | undefined = order.phone;
const open: Order_State = 77;
// @ts-expect-error a 64-bit integer is a bigint
const wrong: Init<Order> = { phone: 5 };
// @ts-expect-error there is no such field
const missing: Init<Order> = { nonsense: 1 };
// @ts-expect-error what has presence may be absent
const units: bigint = order.total.units;
export { id, missing, open, phone, units, wrong };
`;

it.each(readdirSync(join(workspace, 'proto')).filter((name) => name.endsWith('.proto')))(
  'gen/ is what proto/%s says: else run `node tools/gen/gen.mjs`',
  (path) => {
    const text = generate(
      { path, text: readFileSync(join(workspace, 'proto', path), 'utf8') },
      { runtime: '../runtime.js' },
    );
    expect(readFileSync(new URL(`../gen/${path.replace('.proto', '.ts')}`, import.meta.url), 'utf8')).toBe(text);
  },
);

it('gen/builtin.ts is what libs/proto/builtin says: else run `node tools/gen/gen.mjs`', () => {
  const folder = fileURLToPath(new URL('../../builtin', import.meta.url));
  const paths = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.proto'));
  const text = builtinModule(Object.fromEntries(paths.map((path) => [path, readFileSync(join(folder, path), 'utf8')])));
  expect(readFileSync(new URL('../gen/builtin.ts', import.meta.url), 'utf8')).toBe(text);
});
