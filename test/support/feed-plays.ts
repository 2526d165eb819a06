import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { planReplay, ReplayFeed } from "../../src/feed/replay.js";
import { StdinFeed } from "../../src/feed/stdin.js";
import { feedContext, feedOptions, ManualTiming } from "./feed-runs.js";
import { RecordingSink } from "./recording-sink.js";

/** Plays a recording, by its map's text, as fast as it goes; its file has the name that is given. */
export async function playRecording(
  name: string,
  content: string | Buffer,
  map: string,
  sink = new RecordingSink(),
): Promise<RecordingSink> {
  const directory = mkdtempSync(join(tmpdir(), "marketcast-play-"));
  try {
    const options = feedOptions({
      feed: "replay",
      feedFile: join(directory, name),
      feedMap: join(directory, "map.json"),
    });
    writeFileSync(join(directory, name), content);
    writeFileSync(join(directory, "map.json"), map);
    const feed = new ReplayFeed(await planReplay(options), options, new ManualTiming());
    feed.open(sink);
    // A file without a usable row fails; what became of its rows is in the sink.
    await feed.run(sink, feedContext()).catch((error: Error) => {
      if (!error.message.endsWith("has no usable row")) throw error;
    });
    return sink;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Plays what is piped in, all at once. */
export async function playInput(content: string | Buffer): Promise<RecordingSink> {
  const sink = new RecordingSink();
  const input = Readable.from([Buffer.from(content)]);
  await new StdinFeed(() => input).run(sink, feedContext());
  return sink;
}
