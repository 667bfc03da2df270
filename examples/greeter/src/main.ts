import { serve } from '@micro/service';
import { Greeter } from '../proto/greeter.micro.js';
import { greeter } from './greeter.js';

await serve(Greeter, greeter);
