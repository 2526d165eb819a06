"""A MessagePack client of the server made of Debian's python3-websockets and python3-msgpack.

Usage: messagepack-client.py URI TYPES

Subscribes to everything and decodes every message strictly until each of the comma-separated TYPES
has come, or until it has waited too long. Prints "subscribed" when it is, "all but the shutdown" when that
is all that has not come, and at the end one JSON
object: the number of messages and one example of each type, and whatever was not as the protocol
says.
"""

import asyncio
import json
import sys

import msgpack
import websockets

TIMEOUT_S = 20
SAFE_MAX = 2**53 - 1
INTEGERS = {
    "ts", "seq", "server_time", "timestamp", "ping_interval_ms", "connections", "shards", "uptime_s",
    "created_ts", "updated_ts", "deadline_ts", "expires_ts", "trigger_ts", "count", "prev_seq", "depth", "feed_age_ms",
    "conflated",
}
NUMBERS = {
    "price", "best_bid", "best_ask", "volume", "quantity", "tick_size", "lot_size",
    "filled_quantity", "average_price", "realized_pnl",
}
REQUEST_IDS = [1, -1, SAFE_MAX, "request ü", 7, 8, 2**32, 0, 9, 10, 11, 12, 13, 14, 15, 16]
WALLET = "wallet-1"
IDS = [1001, SAFE_MAX, 2**53, str(2**128 - 1)]

CHANNELS = [
    {"type": "Markets", "params": {"filter": {"search": "MÄRKET"}}},
    {"type": "Market", "params": {"market_id": 1001}},
    {"type": "Market", "params": {"market_id": 2**53}},
    {"type": "PriceFeed", "params": {"market_ids": IDS}},
    {"type": "Book", "params": {"market_id": 1001, "checksum": True}},
    {"type": "Trades"},
    {"type": "SystemStatus"},
    {"type": "Candles", "params": {"market_id": 1001, "interval": "1s"}},
    {"type": "Heartbeat", "params": {"interval_ms": 100}},
    {"type": "Orders", "params": {"wallet": WALLET}},
    {"type": "Positions", "params": {"wallet": WALLET}},
    {"type": "Private", "params": {"channel": "desk-1"}},
    {"type": "Presence", "params": {"market_id": 1001}},
]
OTHER = {"market_id": 1001, "side": "Buy", "order_type": "Market", "quantity": 1}
ORDER = {**OTHER, "client_order_id": "mine"}
RESTING = {
    "market_id": 1001,
    "side": "Buy",
    "order_type": "Limit",
    "price": 0.001,
    "quantity": 3,
    "client_order_id": "resting",
    "time_in_force": "GTD",
    "expires_ts": 2**52,
}
REQUESTS = [
    {"type": "Subscribe", "data": {"channels": CHANNELS}},
    {"type": "Ping", "data": {"timestamp": 1_700_000_000_000}},
    {"type": "Nothing", "data": {}},
    {"type": "Subscribe", "data": {"channels": [{"type": "Market", "params": {"market_id": -1}}]}},
    {"type": "Unsubscribe", "data": {"channels": [CHANNELS[1]]}},
    {"type": "TradeHistory", "data": {"market_id": 1001}},
    {"type": "CandleHistory", "data": {"market_id": 1001, "interval": "1m"}},
    {"type": "PlaceOrder", "data": {"order": ORDER}},
    {"type": "PlaceOrder", "data": {"order": ORDER, "validate_only": True}},
    {"type": "PlaceOrders", "data": {"orders": [RESTING, {**OTHER, "quantity": 0.5}]}},
    {"type": "AmendOrder", "data": {"client_order_id": "resting", "quantity": 2}},
    {"type": "CancelAfter", "data": {"timeout_ms": 60_000}},
    {"type": "CancelOrders", "data": {"market_id": 1001, "side": "Buy"}},
    # What is asked of the past is answered behind the orders that it may have.
    {"type": "GetOrder", "data": {"client_order_id": "mine"}},
    {"type": "OrderHistory", "data": {"status": ["Filled"], "limit": 10}},
    {"type": "FillHistory", "data": {"market_id": 1001}},
]
# Answered by another thread than the others, whenever that has come to it.
PUBLISH = {"type": "Publish", "data": {"channel": "desk-1", "data": {"text": "ünïcode", "none": None}}}


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def faults_of(key, value, path):
    """Yields what is wrong with the value of a key."""
    if isinstance(value, dict):
        for name, field in value.items():
            if not isinstance(name, str):
                yield f"{path}: the key {name!r} is no string"
            yield from faults_of(name, field, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from faults_of(key, item, f"{path}[]")
    elif not (value is None or isinstance(value, (str, bool, int, float))):
        yield f"{path}: {type(value).__name__} is no standard type"
    elif key in INTEGERS and not is_integer(value):
        yield f"{path}: {value!r} is no integer"
    elif key in NUMBERS and not (value is None or is_integer(value) or isinstance(value, float)):
        yield f"{path}: {value!r} is no number"
    elif key in ("market_id", "market_ids"):
        safe = is_integer(value) and 0 <= value <= SAFE_MAX
        if not safe and not (isinstance(value, str) and SAFE_MAX < int(value) < 2**128):
            yield f"{path}: {value!r} is no market id"


async def converse(uri, wanted, report):
    async with websockets.connect(uri, subprotocols=["marketcast.msgpack"]) as socket:
        if socket.subprotocol != "marketcast.msgpack":
            report["faults"].append(f"subprotocol {socket.subprotocol}")
        for request_id, request in zip(REQUEST_IDS, REQUESTS):
            await socket.send(msgpack.packb({"id": request_id, **request}))
        await socket.send(msgpack.packb(PUBLISH))
        replied = []
        while not wanted <= report["counts"].keys() or replied != REQUEST_IDS:
            payload = await socket.recv()
            if not isinstance(payload, bytes):
                report["faults"].append(f"a text frame: {payload[:80]}")
                continue
            message = msgpack.unpackb(payload)
            kind = message["type"]
            report["counts"][kind] = report["counts"].get(kind, 0) + 1
            report["examples"].setdefault(kind, message)
            report["faults"].extend(faults_of(None, message, kind))
            if wanted - report["counts"].keys() == {"ServerShutdown"}:
                print("all but the shutdown", flush=True)
            if "id" in message:
                replied.append(message["id"])
                if len(replied) == len(REQUESTS):
                    print("subscribed", flush=True)
        if not all(type(a) is type(b) for a, b in zip(replied, REQUEST_IDS)):
            report["faults"].append(f"request ids came back as {replied!r}")


async def main(uri, types):
    report = {"counts": {}, "examples": {}, "faults": []}
    try:
        await asyncio.wait_for(converse(uri, set(types.split(",")), report), TIMEOUT_S)
    except Exception as error:
        report["faults"].append(f"{type(error).__name__}: {error}")
    report["faults"] = report["faults"][:20]
    print(json.dumps(report))


asyncio.run(main(*sys.argv[1:]))
