"""A TCP proxy between the service and what it needs, which can fail in every way that a network does."""

import socket
import struct
import threading
import time
from contextlib import suppress
from pathlib import Path

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST."""


class Proxy:
    """Listens on a port of this machine, and passes everything on to a Unix socket until told otherwise."""

    def __init__(self, upstream: Path) -> None:
        self._upstream = upstream
        self._passes = threading.Event()
        self._passes.set()
        self._refuses = False
        self._delay = 0.0
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Reset every connection, and each new one."""
        self._refuses = True
        for end in list(self._open):
            self._reset(end)

    def hole(self) -> None:
        """Keep every connection, accept new ones, and pass nothing on."""
        self._passes.clear()

    def slow(self, seconds: float) -> None:
        """Hold everything back for so long."""
        self._delay = seconds

    def reset_once(self) -> None:
        """Reset the connections there are; new ones are served."""
        for end in list(self._open):
            self._reset(end)

    def heal(self) -> None:
        """Pass everything on again. What fell into the hole comes out of it."""
        self._refuses, self._delay = False, 0.0
        self._passes.set()

    def close(self) -> None:
        """End it and all its connections."""
        self._listener.close()
        self.cut()
        self._passes.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refuses:
                self._reset(client)
                continue
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._passes.wait()
        server = socket.socket(socket.AF_UNIX)
        self._open |= {client, server}
        try:
            server.connect(str(self._upstream))
        except OSError:
            self._reset(client)
            server.close()
            return
        back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
        back.start()
        self._pump(client, server)
        back.join()
        self._open -= {client, server}
        client.close()
        server.close()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._passes.wait()
                if self._delay:
                    time.sleep(self._delay)
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    @staticmethod
    def _reset(end: socket.socket) -> None:
        with suppress(OSError):
            if end.family == socket.AF_INET:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            # Wakes the thread that reads from it, which closing would not.
            end.shutdown(socket.SHUT_RD)
            end.close()
