import { type AppOptions, defaultPorts } from '@micro/platform';
import { blobProto, storeProto } from '@micro/proto';
import { Module } from '@nestjs/common';
import { BlobsController } from './blobs.controller.js';
import { StoreController } from './store.controller.js';

@Module({ controllers: [StoreController, BlobsController] })
class StoreModule {}

/** The store as libs/platform runs it: records and blobs. */
export const storeApp: AppOptions = {
  name: 'store',
  module: StoreModule,
  services: [storeProto.Store, blobProto.Blobs],
  port: defaultPorts.store,
  stopping: async (find) => find(StoreController).stop(),
};
