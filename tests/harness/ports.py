"""Free ports, waiting on conditions, and a TCP proxy whose network can be cut."""

import contextlib
import socket
import threading
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Timeout(AssertionError):
    pass


def wait_until(condition, seconds=30, every=0.05, what="the condition"):
    """Polls until condition() is true and returns its value. Exceptions count as "not yet"."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
            last = value
        except Exception as error:  # noqa: BLE001 (a server that is coming up fails in many ways)
            last = error
        if time.monotonic() > deadline:
            raise Timeout(f"{what} did not come true within {seconds} s; last: {last!r}")
        time.sleep(every)


class Proxy:
    """Forwards 127.0.0.1:port to a server. cut() drops every connection and refuses new ones;
    heal() ends that.
    freeze() keeps connections open but moves no byte, like a network that swallows packets."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.port = free_port()
        self._open = set()
        self._lock = threading.Lock()
        self._listener = None
        self._flowing = threading.Event()
        self._flowing.set()
        self.heal()

    def heal(self):
        self._flowing.set()
        if self._listener:
            return
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port))
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def freeze(self):
        self._flowing.clear()

    def cut(self):
        listener, self._listener = self._listener, None
        if listener:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            open_now, self._open = self._open, set()
        for s in open_now:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
        self._flowing.set()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target_port))
            except OSError:
                if self._listener is not listener:
                    return
                with contextlib.suppress(Exception):
                    client.close()
                continue
            with self._lock:
                self._open |= {client, server}
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(a, b), daemon=True).start()

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                sink.sendall(data)
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
