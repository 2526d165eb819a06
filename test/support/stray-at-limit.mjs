// A process without a free descriptor, in which a duplicate of a socket was left behind: prints
// whether that is closed, and that nothing else is. To be run with a low limit of descriptors.
import { once } from "node:events";
import { fstatSync, openSync } from "node:fs";
import { connect, createServer } from "node:net";
import { duplicateDescriptor } from "../../dist/transport/native-sockets.js";
import { closeStrayDuplicates, descriptorOf } from "../../dist/transport/socket-hand-off.js";

const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
await once(server, "listening");
const client = connect(server.address().port, "127.0.0.1");
const [accepted] = await once(server, "connection");
const stray = duplicateDescriptor(descriptorOf(accepted));

let opened = 0;
let limit = "";
while (limit === "") {
  try {
    openSync("/dev/null", "r");
    opened++;
  } catch (error) {
    limit = error.code;
  }
}
const open = () => {
  let count = 0;
  for (let fd = 0; fd < 200; fd++) {
    try {
      fstatSync(fd);
      count++;
    } catch {
      // Closed.
    }
  }
  return count;
};
const before = open();
closeStrayDuplicates([accepted]);
const closed = before - open();
let strayIsOpen = true;
try {
  fstatSync(stray);
} catch {
  strayIsOpen = false;
}
accepted.write("still here");
const [received] = await once(client, "data");
process.stdout.write(
  JSON.stringify({ limit, opened: opened > 0, closed, strayIsOpen, received: `${received}` }),
);
process.exit();
