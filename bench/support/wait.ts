import { setTimeout as delay } from "node:timers/promises";

export const seconds = (count: number): Promise<void> => delay(count * 1000);
