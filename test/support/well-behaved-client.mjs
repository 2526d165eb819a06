// A client that does nothing wrong: sends a Ping every 20 ms and waits for its pongs, in a process of
// its own, so that an attacker's work does not count as the server's. Arguments: the port.
//
// Prints "ready" when the first pong has come. At "stop" on standard input it waits for the pongs that
// are still due, and prints what it saw as one line of JSON. Latencies count from the moment at which
// a Ping was due, not from when it was sent.
import { createInterface } from "node:readline";
import { WebSocket } from "ws";

const INTERVAL_MS = 20;
/** A pong that has not come this long after the stop is lost. */
const PATIENCE_MS = 5000;

const socket = new WebSocket(`ws://127.0.0.1:${process.argv[2]}/ws/v3`, ["marketcast.json"]);
const latenciesMs = [];
let startedAt = 0;
let sent = 0;
let timer;
let closeCode = null;
let stopping = false;

function dueAt(index) {
  return startedAt + index * INTERVAL_MS;
}

function sendDue() {
  while (socket.readyState === WebSocket.OPEN && performance.now() >= dueAt(sent)) {
    socket.send(JSON.stringify({ type: "Ping", id: sent, data: { timestamp: Date.now() } }));
    sent++;
  }
}

function percentile(share) {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}

function report() {
  const figures = {
    pings: sent,
    pongs: latenciesMs.length,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    closeCode,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`, () => process.exit(0));
}

socket.on("open", () => {
  startedAt = performance.now();
  timer = setInterval(sendDue, 2);
});
socket.on("message", (data) => {
  const { type, id } = JSON.parse(data);
  if (type !== "Pong") return;
  if (latenciesMs.length === 0) process.stdout.write("ready\n");
  latenciesMs.push(performance.now() - dueAt(id));
  if (stopping && latenciesMs.length === sent) report();
});
socket.on("error", () => {});
socket.on("close", (code) => {
  closeCode = code;
  clearInterval(timer);
  if (stopping) report();
});

createInterface({ input: process.stdin }).on("line", () => {
  stopping = true;
  clearInterval(timer);
  if (closeCode !== null || latenciesMs.length === sent) report();
  else setTimeout(report, PATIENCE_MS);
});
