"""A client of batches and compression made of Debian's python3-websockets, python3-msgpack, python3-protobuf.

Usage: framing-client.py ENCODING URI MESSAGES [FOLDER]

Subscribes to the prices of the markets 1001 to 1050 and reads until so many messages have come. FOLDER has the
marketcast_pb2.py that protoc made of proto/marketcast.proto. Prints a JSON object: the extensions agreed on,
frames, messages, the largest batch, types, and how often a market's seq did not rise.
"""

import asyncio
import json
import sys

import websockets

TIMEOUT_S = 20
ENCODING, URI, MESSAGES = sys.argv[1], sys.argv[2], int(sys.argv[3])
IDS = list(range(1001, 1051))
SUBSCRIBE = {
    "type": "Subscribe",
    "data": {"channels": [{"type": "PriceFeed", "params": {"market_ids": IDS}}]},
}

if ENCODING == "msgpack":
    import msgpack
if ENCODING == "protobuf":
    sys.path.insert(0, sys.argv[4])
    import marketcast_pb2 as pb


def subscribe():
    if ENCODING == "json":
        return json.dumps(SUBSCRIBE)
    if ENCODING == "msgpack":
        return msgpack.packb(SUBSCRIBE)
    channel = pb.Channel(price_feed={"market_ids": IDS})
    return pb.ClientMessage(subscribe={"channels": [channel]}).SerializeToString()


def messages_in(payload):
    """The messages of a frame: type, market id and seq, where it has them."""
    if ENCODING == "protobuf":
        for message in pb.ServerBatch.FromString(payload).messages:
            member = getattr(message, message.WhichOneof("data"))
            kind = member.DESCRIPTOR.name
            yield (kind, member.market_id, member.seq) if kind == "PriceUpdate" else (kind, 0, 0)
        return
    value = json.loads(payload) if ENCODING == "json" else msgpack.unpackb(payload)
    for message in value if isinstance(value, list) else [value]:
        data = message["data"]
        yield message["type"], data.get("market_id", 0), data.get("seq", 0)


async def converse(report):
    protocol = f"marketcast.{ENCODING}"
    async with websockets.connect(URI, subprotocols=[protocol]) as socket:
        report["extensions"] = [extension.name for extension in socket.extensions]
        await socket.send(subscribe())
        latest = {}
        while report["messages"] < MESSAGES:
            batch = list(messages_in(await socket.recv()))
            report["frames"] += 1
            report["messages"] += len(batch)
            report["largest"] = max(report["largest"], len(batch))
            for kind, market, seq in batch:
                report["types"][kind] = report["types"].get(kind, 0) + 1
                if kind == "PriceUpdate":
                    report["faults"] += seq <= latest.get(market, 0)
                    latest[market] = seq


async def main():
    report = {"frames": 0, "messages": 0, "largest": 0, "types": {}, "faults": 0}
    await asyncio.wait_for(converse(report), TIMEOUT_S)
    print(json.dumps(report))


asyncio.run(main())
