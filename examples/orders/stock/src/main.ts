import { serve } from '@micro/service';
import { Stock } from '../proto/stock.micro.js';
import { handlers } from './stock.js';

await serve(Stock, handlers);
