/** A Nest gateway as its documentation writes it: Fastify in front, ClientGrpc behind. */
import 'reflect-metadata';
import { Body, Controller, HttpCode, Inject, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule, Transport } from '@nestjs/microservices';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { proto } from './grpc-definition.mjs';

const [port, target] = process.argv.slice(2).map(Number);

class GatewayController {
  constructor(client) {
    this.client = client;
  }

  onModuleInit() {
    this.helloworld = this.client.getService('Helloworld');
  }

  call(body) {
    return this.helloworld.call(body);
  }
}
const { prototype } = GatewayController;
const descriptor = Object.getOwnPropertyDescriptor(prototype, 'call');
Reflect.defineMetadata('design:paramtypes', [Object], GatewayController);
Reflect.defineMetadata('design:paramtypes', [Object], prototype, 'call');
Inject('HELLOWORLD')(GatewayController, undefined, 0);
Post('helloworld/call')(prototype, 'call', descriptor);
HttpCode(200)(prototype, 'call', descriptor);
Body()(prototype, 'call', 0);
Controller()(GatewayController);

class AppModule {}
Module({
  imports: [
    ClientsModule.register([
      {
        name: 'HELLOWORLD',
        transport: Transport.GRPC,
        options: { package: 'helloworld', protoPath: proto, url: `127.0.0.1:${target}` },
      },
    ]),
  ],
  controllers: [GatewayController],
})(AppModule);

const app = await NestFactory.create(AppModule, new FastifyAdapter(), { logger: false });
await app.listen(port, '127.0.0.1');
