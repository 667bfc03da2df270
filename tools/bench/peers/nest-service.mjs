/** A Nest gRPC service as its documentation writes it; decorators are called by hand because this file is not compiled. */
import 'reflect-metadata';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { GrpcMethod, Transport } from '@nestjs/microservices';
import { proto } from './grpc-definition.mjs';

class HelloworldController {
  call({ name }) {
    return { msg: `Hello ${name}` };
  }
}
Controller()(HelloworldController);
const { prototype } = HelloworldController;
GrpcMethod('Helloworld', 'Call')(prototype, 'call', Object.getOwnPropertyDescriptor(prototype, 'call'));

class AppModule {}
Module({ controllers: [HelloworldController] })(AppModule);

const app = await NestFactory.createMicroservice(AppModule, {
  transport: Transport.GRPC,
  options: { package: 'helloworld', protoPath: proto, url: `127.0.0.1:${process.argv[2]}` },
  logger: false,
});
await app.listen();
