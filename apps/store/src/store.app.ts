import { type AppOptions, defaultPorts } from '@micro/platform';
import { blobProto, lockProto, storeProto } from '@micro/proto';
import { Module } from '@nestjs/common';
import { BlobsController } from './blobs.controller.js';
import { LocksController } from './locks.controller.js';
import { StoreController } from './store.controller.js';

@Module({ controllers: [StoreController, BlobsController, LocksController] })
class StoreModule {}

/** The store as libs/platform runs it: records, blobs and locks. */
export const storeApp: AppOptions = {
  name: 'store',
  module: StoreModule,
  services: [storeProto.Store, blobProto.Blobs, lockProto.Locks],
  fronts: ['store', 'blobs', 'locks'],
  port: defaultPorts.store,
  stopping: async (find) => {
    find(StoreController).stop();
    find(LocksController).stop();
  },
};
