"""Servers for the tests of ports, in the guest, without any package: HTTP/1.1 with SSE and WebSocket, and gRPC's HTTP/2."""
import asyncio, base64, hashlib, struct


async def serve_http(reader, writer):
    requests = 0
    while True:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1")
        except asyncio.IncompleteReadError:
            return writer.close()
        requests += 1
        first, *lines = head.split("\r\n")
        path = first.split(" ")[1]
        headers = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in lines if line}
        if headers.get("upgrade") == "websocket":
            return await echo_websocket(reader, writer, headers)
        if path == "/events":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            for number in range(3):
                chunk(writer, b"data: %d\n\n" % number)
                await writer.drain()
                await asyncio.sleep(0.3)
        elif path == "/echo":
            writer.write(b"HTTP/1.1 200 OK\r\nTrailer: X-Bytes\r\nTransfer-Encoding: chunked\r\n\r\n")
            total = 0
            async for piece in body_of(reader, headers):
                total += len(piece)
                chunk(writer, piece)
                await writer.drain()
            writer.write(b"0\r\nX-Bytes: %d\r\n\r\n" % total)
            continue
        else:
            text = f"{requests} {headers.get('host')} {headers.get('cookie')}".encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
            await writer.drain()
            continue
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def chunk(writer, data):
    writer.write(b"%x\r\n%s\r\n" % (len(data), data))


async def body_of(reader, headers):
    left = int(headers.get("content-length", 0))
    while left > 0:
        piece = await reader.read(min(left, 65536))
        left -= len(piece)
        yield piece
    while headers.get("transfer-encoding") == "chunked":
        size = int(await reader.readline(), 16)
        piece = await reader.readexactly(size)
        await reader.readline()
        if size == 0:
            return
        yield piece


async def echo_websocket(reader, writer, headers):
    key = headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode()).digest())
    writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n" % accept)
    while True:
        try:
            kind, size = await reader.readexactly(2)
            mask = await reader.readexactly(4)
            data = bytes(byte ^ mask[at % 4] for at, byte in enumerate(await reader.readexactly(size & 0x7F)))
        except asyncio.IncompleteReadError:
            return writer.close()
        writer.write(bytes([kind, len(data)]) + data)
        await writer.drain()


async def serve_grpc(reader, writer):
    """Answers every call with its request's message, then with status 0 and a field of its own in the trailers."""
    await reader.readexactly(24)  # the preface
    frame(writer, 4, 0, 0, b"")
    bodies = {}
    while True:
        try:
            head = await reader.readexactly(9)
        except asyncio.IncompleteReadError:
            return writer.close()
        size, kind, flags = int.from_bytes(head[:3], "big"), head[3], head[4]
        stream = struct.unpack(">I", head[5:])[0] & 0x7FFFFFFF
        data = await reader.readexactly(size)
        if kind == 4 and not flags & 1:
            frame(writer, 4, 1, 0, b"")
        if kind == 6 and not flags & 1:
            frame(writer, 6, 1, 0, data)
        if kind == 0:
            bodies[stream] = bodies.get(stream, b"") + data
        if kind in (0, 1) and flags & 1:
            frame(writer, 1, 4, stream, b"\x88" + field(b"content-type", b"application/grpc+proto"))
            frame(writer, 0, 0, stream, bodies.pop(stream, b""))
            frame(writer, 1, 5, stream, field(b"grpc-status", b"0") + field(b"x-guest", b"yes"))
        await writer.drain()


def frame(writer, kind, flags, stream, data):
    writer.write(len(data).to_bytes(3, "big") + bytes([kind, flags]) + struct.pack(">I", stream) + data)


def field(name, value):
    """HPACK's simplest form: literal, not indexed, not packed."""
    return bytes([0, len(name)]) + name + bytes([len(value)]) + value


async def main():
    await asyncio.start_server(serve_http, "127.0.0.1", 8000)
    await asyncio.start_server(serve_http, "::1", 8001)
    await asyncio.start_server(serve_grpc, "127.0.0.1", 8002)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
