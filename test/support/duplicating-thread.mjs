// A thread that duplicates a descriptor and is then ended: before it has made a socket of the
// duplicate, or after. workerData: { fd, owned }.
import { Socket } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { duplicateDescriptor } from "../../dist/transport/native-sockets.js";

const { fd, owned } = workerData;
const duplicate = duplicateDescriptor(fd);
if (owned) new Socket({ fd: duplicate, readable: true, writable: true });
parentPort.postMessage(duplicate);
// Keeps the thread alive.
parentPort.on("message", () => {});
