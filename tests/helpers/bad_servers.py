"""Servers on the loopback that behave as tracking servers do on bad days."""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

Answer = Callable[[socket.socket], None]


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Serve every connection with `answer`, in a thread of its own; yields the http address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    open_sockets: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            answer(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                open_sockets.append(connection)
                threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for item in (listener, *open_sockets):
            with contextlib.suppress(OSError):
                item.shutdown(socket.SHUT_RDWR)  # a close alone does not wake who waits for it
            item.close()


def silent(connection: socket.socket) -> None:
    """Read the request, and never answer."""
    while connection.recv(65536):
        pass


def dripping(connection: socket.socket) -> None:
    """Send a byte now and then: no time-out of a single read ever passes."""
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while True:
        time.sleep(0.5)
        connection.sendall(b"x")


def closing(connection: socket.socket) -> None:
    """Hang up."""
    connection.close()


def babbling(connection: socket.socket) -> None:
    """Answer in no known protocol."""
    connection.recv(65536)
    connection.sendall(b"\x00\x01\x02 hello\r\n\r\n")
    connection.close()


def replying(status: str, body: str, *headers: str) -> Answer:
    """Return a server that gives the same answer to every request."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    data = ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def reply(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)
        connection.close()

    return reply


class Relay:
    """Stands before a real server, which it slows down or whose answers it loses.

    Args:
        port: of the real server.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.delay_s = 0.0
        self.lost = False

    def __call__(self, connection: socket.socket) -> None:
        """Pass requests on, and their answers back."""
        with socket.create_connection(("127.0.0.1", self.port)) as server:
            threading.Thread(target=self._answers, args=(server, connection), daemon=True).start()
            with contextlib.suppress(OSError):
                while data := connection.recv(65536):
                    server.sendall(data)

    def _answers(self, server: socket.socket, connection: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                time.sleep(self.delay_s)
                if self.lost:
                    break
                connection.sendall(data)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
