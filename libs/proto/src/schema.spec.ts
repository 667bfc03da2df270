import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { haveTool, temporaryFolder, toolPath } from '@micro/testing';
import { describe, expect, it } from 'vitest';
import { endpointsOf, parseSchema, type Schema, schemaFromDescriptorSet, type ServiceDefinition } from './index.js';
import { legacyFile, shopFiles } from './shop.fixture.js';

const shop = parseSchema(shopFiles);

/** All that a schema tells of its services, as plain data. */
function described({ services }: Schema): unknown {
  return [...services.values()].map(({ name, shortName, package: packageName, comment, methods }) => ({
    name,
    shortName,
    packageName,
    comment,
    methods: methods.map(({ input, output, service, ...method }) => ({
      ...method,
      input: input.name,
      output: output.name,
      service: service.name,
    })),
  }));
}

function fieldsOf(schema: Schema, message: string): unknown[] {
  return schema
    .message(message)
    .fields.map(
      ({ name, jsonName, number, comment, type, repeated, mapKey, oneof, presence, message: of, enum: values }) => ({
        name,
        jsonName,
        number,
        comment,
        type,
        repeated,
        mapKey,
        oneof,
        presence,
        of: of?.().name,
        values: values?.values,
      }),
    );
}

describe('Schema', () => {
  it('knows services, methods, kinds, idempotency, comments and HTTP bindings', () => {
    const { methods, ...service } = shop.service('shop.v1.Shop') as ServiceDefinition;
    expect(service).toMatchObject({ shortName: 'Shop', package: 'shop.v1', comment: 'Takes orders.', schema: shop });
    expect(
      methods.map(({ localName, path, kind, idempotency, comment }) => [localName, path, kind, idempotency, comment]),
    ).toEqual([
      ['place', '/shop.v1.Shop/Place', 'unary', 'idempotent', 'Places an order.'],
      ['get', '/shop.v1.Shop/Get', 'unary', 'noSideEffects', 'Reads an order.'],
      ['upload', '/shop.v1.Shop/Upload', 'clientStream', 'unknown', ''],
      ['watch', '/shop.v1.Shop/Watch', 'serverStream', 'unknown', 'Tells every change.'],
      ['haggle', '/shop.v1.Shop/Haggle', 'bidiStream', 'unknown', ''],
    ]);
    expect(methods[0]!.http).toEqual([
      { method: 'POST', path: '/v1/orders', body: '*', responseBody: '' },
      { method: 'PUT', path: '/v1/orders/{id}', body: 'items', responseBody: 'id' },
      { method: 'REPORT', path: '/v1/orders:report', body: '', responseBody: '' },
    ]);
    expect(shop.method('/shop.v1.Shop/Get')).toBe(methods[1]);
    expect(shop.method('/shop.v1.Shop/get')).toBeUndefined();
    expect(methods[2]!.output.name).toBe('google.protobuf.Empty');
  });

  it('knows fields, their comments, presence and types', () => {
    const fields = new Map(shop.message('shop.v1.Order').fields.map((field) => [field.name, field]));
    expect(fields.get('id')).toMatchObject({ jsonName: 'id', type: 'string', presence: false, comment: 'Trailing.' });
    expect(fields.get('state')).toMatchObject({
      type: 'enum',
      comment: 'Its state.',
      enum: { name: 'shop.v1.Order.State', values: { NEW: 0, SENT: 1, SHIPPED: 1, LOST: -1 } },
    });
    expect(fields.get('by_name')).toMatchObject({
      jsonName: 'byName',
      mapKey: 'string',
      type: 'message',
      repeated: false,
    });
    expect(fields.get('by_name')!.message!().name).toBe('shop.v1.Order.Item');
    expect(fields.get('priority')).toMatchObject({ presence: true });
    expect(fields.get('priority')).not.toHaveProperty('oneof');
    expect(fields.get('note')).toMatchObject({ jsonName: 'remark-text' });
    expect(fields.get('email')).toMatchObject({ oneof: 'contact', presence: true, comment: 'Where mail goes.' });
    expect(shop.message('shop.v1.Order').comment).toContain('An order.\n\n  With an indented line');
  });

  it('finds the file of a symbol', () => {
    expect(shop.fileOf('shop.v1.Shop')).toBe('shop/shop.proto');
    expect(shop.fileOf('shop.v1.Shop.Place')).toBe('shop/shop.proto');
    expect(shop.fileOf('shop.v1.Order.Item')).toBe('shop/shop.proto');
    expect(shop.fileOf('shop.v1.visible_to')).toBe('shop/shop.proto');
    expect(shop.fileOf('common.Money')).toBe('common/money.proto');
    expect(shop.fileOf('google.protobuf.Timestamp')).toBe('google/protobuf/timestamp.proto');
    expect(shop.fileOf('shop.v1')).toBeUndefined();
    expect(shop.fileOf('nobody.Knows')).toBeUndefined();
  });

  it('says what there is where something is not', () => {
    expect(() => shop.service('shop.v1.Sop')).toThrow(
      'there is no service shop.v1.Sop in the schema: it has shop.v1.Shop',
    );
    expect(() => shop.message('shop.v1.Odrer')).toThrow('there is no message shop.v1.Odrer in the schema');
  });

  it('has google/protobuf whether it is imported or not', () => {
    const bare = parseSchema({ 'a.proto': 'syntax = "proto3"; message A {}' });
    expect(bare.message('google.protobuf.Timestamp').toJson({ seconds: 0n })).toBe('1970-01-01T00:00:00Z');
    expect([...bare.files().keys()]).toEqual(['a.proto']);
  });

  it('gives the endpoints of a service to the registry', () => {
    expect(endpointsOf(shop.service('shop.v1.Shop'))[1]).toEqual({
      name: 'Shop.Get',
      path: '/shop.v1.Shop/Get',
      kind: 'unary',
      idempotency: 'noSideEffects',
      request: 'shop.v1.GetRequest',
      response: 'shop.v1.Order',
      metadata: {},
    });
  });
});

describe('descriptors', () => {
  it('survive the way out and in, comments and options included', () => {
    const again = schemaFromDescriptorSet(shop.descriptorSet());
    expect(described(again)).toEqual(described(shop));
    expect(fieldsOf(again, 'shop.v1.Order')).toEqual(fieldsOf(shop, 'shop.v1.Order'));
    expect(again.files()).toEqual(shop.files());
    expect(again.message('common.Money').comment).toBe('An amount in a currency.');
  });

  it('come with imports before what imports them', () => {
    const names = [...shop.files().keys()];
    expect(names.at(-1)).toBe('shop/shop.proto');
    expect(names.indexOf('google/api/http.proto')).toBeLessThan(names.indexOf('google/api/annotations.proto'));
  });

  it('keep the file as it came', () => {
    const set = schemaFromDescriptorSet(shop.descriptorSet());
    expect(Buffer.compare(set.descriptorSet(), shop.descriptorSet())).toBe(0);
  });

  it.each([
    ['bytes that are none', Buffer.from('hello, this is no descriptor')],
    ['a file without a name', Buffer.from([0x0a, 0x00])],
    ['a file whose imports are missing', parseSchemaWithout()],
  ])('%s are refused', (_, bytes) => {
    expect(() => schemaFromDescriptorSet(bytes)).toThrow(
      expect.objectContaining({ name: 'MicroError', code: 'invalid_argument' }),
    );
  });

  it('of proto2 keep defaults, groups and extensions', () => {
    const schema = schemaFromDescriptorSet(parseSchema({ 'legacy.proto': legacyFile }).descriptorSet());
    const { messageType, extension } = schema.decodeFile(schema.files().get('legacy.proto')!);
    expect(messageType[0]!.field.map(({ name, defaultValue }) => [name, defaultValue])).toEqual([
      ['name', undefined],
      ['age', '42'],
      ['greeting', 'hi "you"'],
      ['raw', '\\001\\377'],
      ['far', 'inf'],
      ['level', 'HIGH'],
      ['numbers', undefined],
      ['packed_numbers', undefined],
      ['inner', undefined],
      ['children', undefined],
    ]);
    expect(extension.map(({ name, extendee }) => [name, extendee])).toEqual([
      ['nickname', '.legacy.Legacy'],
      ['friends', '.legacy.Legacy'],
    ]);
    const codec = schema.message('legacy.Legacy');
    const message = {
      name: 'Ann',
      inner: { word: 'x' },
      '[legacy.nickname]': 'A',
      '[legacy.friends]': [{ name: 'Bob', packedNumbers: [1, 300] }],
    };
    expect(codec.decode(codec.encode(message))).toMatchObject(message);
    expect(codec.toJson(message)).toEqual({
      name: 'Ann',
      inner: { word: 'x' },
      '[legacy.nickname]': 'A',
      '[legacy.friends]': [{ name: 'Bob', packedNumbers: [1, 300] }],
    });
    expect(() => codec.encode({ '[legacy.friends]': [{}], name: 'x' })).toThrow(
      '[legacy.friends][0].name: is required and not set',
    );
  });
});

const grpcurl = haveTool({ name: 'grpcurl', go: 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.3' });

describe.skipIf(!grpcurl)('grpcurl', () => {
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync('grpcurl', args, {
      encoding: 'utf8',
      env: { ...process.env, PATH: toolPath() },
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    return stdout;
  };

  it('reads our descriptors and finds everything in them', async () => {
    await using folder = await temporaryFolder();
    const file = join(folder.path, 'shop.bin');
    writeFileSync(file, shop.descriptorSet());
    expect(run('-protoset', file, 'list').trim()).toBe('shop.v1.Shop');
    const service = run('-protoset', file, 'describe', 'shop.v1.Shop');
    for (const part of [
      '// Takes orders.',
      '// Places an order.',
      'post: "/v1/orders"',
      'response_body: "id"',
      'idempotency_level = IDEMPOTENT',
      'rpc Haggle ( stream .shop.v1.Order ) returns ( stream .shop.v1.Order );',
    ]) {
      expect(service).toContain(part);
    }
    const order = run('-protoset', file, 'describe', 'shop.v1.Order');
    for (const part of [
      'map<string, .shop.v1.Order.Item> by_name = 4;',
      'optional int32 priority = 7;',
      'json_name = "remark-text"',
      'oneof contact {',
      '(.shop.v1.visible_to) = "staff"',
      'option allow_alias = true;',
      'reserved 90 to 99, 200 to max;',
      'reserved "gone";',
      '// On its way.',
      'repeated sint64 deltas = 25 [packed = false];',
    ]) {
      expect(order).toContain(part);
    }
  });

  it('makes the same descriptors of the same files', async () => {
    await using folder = await temporaryFolder();
    const set = join(folder.path, 'theirs.bin');
    const sources = { ...shopFiles, 'legacy.proto': legacyFile };
    const roots = { 'shop/shop.proto': 'shop.v1.Shop', 'legacy.proto': 'legacy.Legacy' };
    cpSync(new URL('../builtin/google/api', import.meta.url), join(folder.path, 'google/api'), { recursive: true });
    for (const [path, text] of Object.entries(sources)) {
      mkdirSync(join(folder.path, path, '..'), { recursive: true });
      writeFileSync(join(folder.path, path), text);
    }
    for (const [path, symbol] of Object.entries(roots)) {
      run('-import-path', folder.path, '-proto', path, '-protoset-out', set, 'describe', symbol);
      const ours = parseSchema(sources),
        theirs = schemaFromDescriptorSet(readFileSync(set));
      for (const name of Object.keys(sources)) {
        const bytes = theirs.files().get(name);
        if (bytes) expect(comparable(ours, ours.files().get(name)!)).toEqual(comparable(ours, bytes));
      }
    }
  });

  /** A file with the comments by what they belong to; protoc also notes where everything without a comment is. */
  function comparable(schema: Schema, bytes: Uint8Array): unknown {
    const { sourceCodeInfo, ...file } = schema.decodeFile(bytes);
    const locations = (sourceCodeInfo?.location ?? []).filter(
      ({ leadingComments, trailingComments }) => leadingComments ?? trailingComments,
    );
    // Comments inside of one declaration, such as those of a number or an option, have nobody to read them.
    const declarations = locations.filter(({ path }) => !path.includes(8) || path.length % 2 === 0);
    return {
      ...file,
      comments: Object.fromEntries(declarations.map(({ path, ...comments }) => [path.join('.'), comments])),
    };
  }
});

/** A descriptor set that lacks all but its last file. */
function parseSchemaWithout(): Uint8Array {
  const last = [...shop.files().values()].at(-1)!;
  const size = [(last.length & 0x7f) | 0x80, last.length >> 7];
  return Buffer.concat([Buffer.from([0x0a, ...size]), last]);
}
