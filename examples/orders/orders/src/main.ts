import { serve } from '@micro/service';
import { Orders } from '../proto/orders.micro.js';
import { handlers, takeUp } from './orders.js';

await serve(Orders, handlers);
for (;;) {
  await takeUp();
  await new Promise((resolve) => setTimeout(resolve, 1_000));
}
