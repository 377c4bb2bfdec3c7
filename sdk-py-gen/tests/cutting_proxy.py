"""A way to a server that breaks when it is told to."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Self
from urllib.parse import urlsplit


class CuttingProxy:
    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 80)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._changed = threading.Condition()
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._left: int | None = None
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def cut(self) -> None:
        """Breaks every connection; new ones are taken."""
        with self._changed:
            pairs = [*self._pairs]
        for pair in pairs:
            self._drop(pair)

    def cut_after(self, size: int) -> None:
        """Breaks one connection after so many more bytes, either way."""
        self._left = size

    def wait_until_unused(self, seconds: float = 10.0) -> bool:
        """Whether all connections were closed by those who made them, in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._pairs, seconds)

    def wait_until_used(self, seconds: float = 10.0) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._pairs), seconds)

    def close(self) -> None:
        """New connections are refused from here on."""
        if self._listener.fileno() >= 0:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            pair = (client, server)
            with self._changed:
                self._pairs.add(pair)
                self._changed.notify_all()
            for source, sink in (pair, pair[::-1]):
                threading.Thread(target=self._copy, args=(pair, source, sink), daemon=True).start()

    def _copy(self, pair: tuple[socket.socket, socket.socket], source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                if self._left is not None:
                    self._left -= len(data)
                    if self._left <= 0:
                        self._left = None
                        break
                sink.sendall(data)
        except OSError:
            pass
        self._drop(pair)

    def _drop(self, pair: tuple[socket.socket, socket.socket]) -> None:
        """By a reset, which nobody takes for an orderly end."""
        with self._changed:
            if pair not in self._pairs:
                return
            self._pairs.remove(pair)
            self._changed.notify_all()
        for one in pair:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                one.shutdown(socket.SHUT_RDWR)  # wakes the other thread's recv
            except OSError:
                pass
            one.close()
