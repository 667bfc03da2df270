import { serve } from '@micro/service';
import { Helloworld } from '../proto/helloworld.micro.js';
import { helloworld } from './helloworld.js';

await serve(Helloworld, helloworld);
