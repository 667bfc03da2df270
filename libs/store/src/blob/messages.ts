/** Records of the contract as messages of blob.proto, and back. */
import type { blobProto } from '@micro/proto';
import type { BlobInfo } from './blobs.js';

export function toMessage(info: BlobInfo): blobProto.BlobInfo {
  return { ...info, size: BigInt(info.size), modifiedAt: BigInt(info.modifiedAt), metadata: { ...info.metadata } };
}

export function fromMessage(message: blobProto.BlobInfo): BlobInfo {
  const { key, size, sha256, modifiedAt, contentType, metadata } = message;
  return { key, size: Number(size), sha256, modifiedAt: Number(modifiedAt), contentType, metadata: { ...metadata } };
}
