// Appends records to a journal without end, and says after each how many there are. Record n is "n:" and then
// as many characters as follow from n. What is more than 100 records old is released.
import { writeSync } from "node:fs";
import { Journal } from "../../dist/journal/journal.js";

const [dir, segmentBytes] = process.argv.slice(2);
const journal = await Journal.open(
  dir,
  { after: Number(process.argv[4]), segmentBytes: Number(segmentBytes) },
  () => {},
);
for (;;) {
  const number = journal.last + 1;
  await journal.append(Buffer.from(`${number}:`.padEnd((number * 37) % 3000, "x")));
  writeSync(1, `${number}\n`);
  if (number % 50 === 0) await journal.release(Math.max(0, number - 100));
}
