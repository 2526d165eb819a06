"""A Protocol Buffers client of the server made of Debian's python3-websockets, python3-protobuf and protoc.

Usage: protobuf-client.py FOLDER URI TYPES

FOLDER has the marketcast_pb2.py that protoc made of proto/marketcast.proto. Subscribes to everything and
decodes every message until each of the comma-separated TYPES has come, or until it has waited too long.
Prints "subscribed" when it is, "all but the shutdown" when that is all that has not come, and at the end one JSON object: the number of messages and one example of
each type as the contract's JSON, and whatever was not as the protocol says.
"""

import asyncio
import json
import re
import sys

import websockets

sys.path.insert(0, sys.argv[1])
import marketcast_pb2 as pb  # noqa: E402

TIMEOUT_S = 20
SAFE_MAX = 2**53 - 1
LOW = 2**64 - 1
WALLET = "wallet-1"
IDS = [1001, SAFE_MAX, 2**53, 2**128 - 1]
NULLS = {("Authenticated", "wallet"), ("CancelAfterSet", "trigger_ts")} | {
    (message, field)
    for message in ("PriceUpdate", "Market")
    for field in ("price", "best_bid", "best_ask")
}
JSON_TEXTS = {"details", "data"}
UPPER = {"ErrorCode", "TimeInForce"}
LOWER = {"SystemState", "NotificationLevel", "CandleInterval"}


def wide(market_id):
    return {"market_id": market_id & LOW, "market_id_high": market_id >> 64}


def prices(ids):
    return {"market_ids": [i & LOW for i in ids], "market_ids_high": [i >> 64 for i in ids]}


CHANNELS = [
    pb.Channel(markets={"filter": {"search": "MÄRKET"}}),
    pb.Channel(market=wide(1001)),
    pb.Channel(market=wide(2**53)),
    pb.Channel(price_feed=prices(IDS)),
    pb.Channel(book={"market_id": 1001, "checksum": True}),
    pb.Channel(trades={}),
    pb.Channel(system_status={}),
    pb.Channel(candles={"market_id": 1001, "interval": pb.CANDLE_INTERVAL_1S}),
    pb.Channel(heartbeat={"interval_ms": 100}),
    pb.Channel(orders={"wallet": WALLET}),
    pb.Channel(positions={"wallet": WALLET}),
    pb.Channel(private={"channel": "desk-1"}),
    pb.Channel(presence={"market_id": 1001}),
]
OTHER = {"market_id": 1001, "side": pb.SIDE_BUY, "order_type": pb.ORDER_TYPE_MARKET, "quantity": 1}
ORDER = {**OTHER, "client_order_id": "mine"}
REQUEST_IDS = [1, -1, SAFE_MAX, "request ü", 7, 8, 2**32, 0, 9, 10, 11, 12, 13, 14, 15, 16]
RESTING = {
    "market_id": 1001,
    "side": pb.SIDE_BUY,
    "order_type": pb.ORDER_TYPE_LIMIT,
    "price": 0.001,
    "quantity": 3,
    "client_order_id": "resting",
    "time_in_force": pb.TIME_IN_FORCE_GTD,
    "expires_ts": 2**52,
}
REQUESTS = [
    {"subscribe": {"channels": CHANNELS}},
    {"ping": {"timestamp": 1_700_000_000_000}},
    {},
    {"subscribe": {"channels": [pb.Channel(market=wide(404))]}},
    {"unsubscribe": {"channels": [CHANNELS[1]]}},
    {"trade_history": wide(1001)},
    {"candle_history": {**wide(1001), "interval": pb.CANDLE_INTERVAL_1M}},
    {"place_order": {"order": ORDER}},
    {"place_order": {"order": ORDER, "validate_only": True}},
    {"place_orders": {"orders": [RESTING, {**OTHER, "quantity": 0.5}]}},
    {"amend_order": {"client_order_id": "resting", "quantity": 2}},
    {"cancel_after": {"timeout_ms": 60_000}},
    {"cancel_orders": {"market_id": 1001, "side": pb.SIDE_BUY}},
    # What is asked of the past is answered behind the orders that it may have.
    {"get_order": {"client_order_id": "mine"}},
    {"order_history": {"status": [pb.ORDER_STATUS_FILLED], "limit": 10}},
    {"fill_history": wide(1001)},
]
# Answered by another thread than the others, whenever that has come to it.
PUBLISH = {"publish": {"channel": "desk-1", "data": '{"text": "ünïcode", "none": null}'}}


def request(request_id, message):
    name = "id_text" if isinstance(request_id, str) else "id_number"
    return pb.ClientMessage(**{name: request_id}, **message)


def market_id(low, high):
    value = (high << 64) | low
    return value if value <= SAFE_MAX else str(value)


def word(field, number):
    """The contract's word for an enum's number."""
    enum = field.enum_type
    prefix = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", enum.name).upper() + "_"
    name = enum.values_by_number[number].name.removeprefix(prefix)
    if enum.name in UPPER:
        return name
    return name.lower() if enum.name in LOWER else name.title().replace("_", "")


def value_of(field, value):
    if field.enum_type is not None:
        return word(field, value)
    if field.message_type is not None:
        return plain(value)
    return json.loads(value) if field.name in JSON_TEXTS else value


def plain(message):
    """A message as the contract's JSON has it."""
    kind = message.DESCRIPTOR.name
    if kind == "Candle":
        return [getattr(message, field.name) for field in message.DESCRIPTOR.fields]
    if kind == "Level":
        return [message.price, message.quantity]
    if kind == "Candle":
        return [getattr(message, field.name) for field in message.DESCRIPTOR.fields]
    if kind == "Channel":
        member = getattr(message, message.WhichOneof("type"))
        return {"type": member.DESCRIPTOR.name, "params": plain(member) or None}
    fields = {}
    for field in message.DESCRIPTOR.fields:
        name, value = field.name, getattr(message, field.name)
        if name.endswith("_high"):
            continue
        if name == "market_ids":
            highs = message.market_ids_high or [0] * len(value)
            fields[name] = [market_id(*pair) for pair in zip(value, highs)]
        elif field.label == field.LABEL_REPEATED:
            if value or kind not in ("MarketsFilter", "PresenceUpdate"):
                fields[name] = [value_of(field, item) for item in value]
        elif field.has_presence and not message.HasField(name):
            if (kind, name) in NULLS:
                fields[name] = None
        elif name == "market_id":
            fields[name] = market_id(value, message.market_id_high)
        else:
            fields[name] = value_of(field, value)
    return fields


async def converse(uri, wanted, report):
    async with websockets.connect(uri, subprotocols=["marketcast.protobuf"]) as socket:
        if socket.subprotocol != "marketcast.protobuf":
            report["faults"].append(f"subprotocol {socket.subprotocol}")
        for request_id, message in zip(REQUEST_IDS, REQUESTS):
            await socket.send(request(request_id, message).SerializeToString())
        await socket.send(pb.ClientMessage(**PUBLISH).SerializeToString())
        replied = []
        while not wanted <= report["counts"].keys() or replied != REQUEST_IDS:
            payload = await socket.recv()
            if not isinstance(payload, bytes):
                report["faults"].append(f"a text frame: {payload[:80]}")
                continue
            message = pb.ServerMessage.FromString(payload)
            member = getattr(message, message.WhichOneof("data"))
            kind = member.DESCRIPTOR.name
            if message.SerializeToString() != payload:
                again = pb.ServerMessage.FromString(message.SerializeToString())
                if again != message or len(message.UnknownFields()) > 0:
                    report["faults"].append(f"{kind} does not come back as it was")
            example = {"type": kind, "data": plain(member)}
            which = message.WhichOneof("id")
            if which is not None:
                example["id"] = getattr(message, which)
                replied.append(example["id"])
                if len(replied) == len(REQUESTS):
                    print("subscribed", flush=True)
            report["counts"][kind] = report["counts"].get(kind, 0) + 1
            if wanted - report["counts"].keys() == {"ServerShutdown"}:
                print("all but the shutdown", flush=True)
            report["examples"].setdefault(kind, example)


async def main(uri, types):
    report = {"counts": {}, "examples": {}, "faults": []}
    try:
        await asyncio.wait_for(converse(uri, set(types.split(",")), report), TIMEOUT_S)
    except Exception as error:
        report["faults"].append(f"{type(error).__name__}: {error}")
    report["faults"] = report["faults"][:20]
    print(json.dumps(report))


asyncio.run(main(*sys.argv[2:]))
