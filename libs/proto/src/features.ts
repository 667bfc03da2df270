import { edition, type FileDescriptor, type Options } from './descriptor.js';

/** How fields and enums behave, whatever syntax said so (protobuf.dev/editions/features). */
export interface Features {
  /** 1 explicit, 2 implicit, 3 required. */
  readonly fieldPresence: number;
  /** 1 open, 2 closed. */
  readonly enumType: number;
  /** 1 packed, 2 expanded. */
  readonly repeatedFieldEncoding: number;
  /** 2 verify, 3 none. */
  readonly utf8Validation: number;
  /** 1 length-prefixed, 2 delimited. */
  readonly messageEncoding: number;
}

const proto2: Features = {
  fieldPresence: 1,
  enumType: 2,
  repeatedFieldEncoding: 2,
  utf8Validation: 3,
  messageEncoding: 1,
};
const proto3: Features = {
  fieldPresence: 2,
  enumType: 1,
  repeatedFieldEncoding: 1,
  utf8Validation: 2,
  messageEncoding: 1,
};
const edition2023: Features = {
  fieldPresence: 1,
  enumType: 1,
  repeatedFieldEncoding: 1,
  utf8Validation: 2,
  messageEncoding: 1,
};

/** Features of a file, before those that its parts set for themselves. */
export function fileFeatures(file: FileDescriptor): Features {
  const base =
    file.edition !== undefined && file.edition >= edition[2023]
      ? edition2023
      : file.syntax === 'proto3'
        ? proto3
        : proto2;
  return withFeatures(base, file.options);
}

/** Features of a part that lies in what has these features. */
export function withFeatures(inherited: Features, options: Options | undefined): Features {
  const own = options?.['features'] as Partial<Features> | undefined;
  return own === undefined ? inherited : { ...inherited, ...own };
}
