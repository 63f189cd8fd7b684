"""Free ports, waiting on conditions, and a TCP proxy whose network can be cut."""

import contextlib
import itertools
import os
import pathlib
import random
import socket
import threading
import time


def _ports():
    """Below those that the kernel gives to outgoing connections: such a one may be taken by anybody
    before the server that it was meant for is up. Each of pytest's workers has a part of its own.
    """
    range_file = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
    first, last = 10_000, int(range_file.read_text().split()[0]) - 1
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    count = (last - first) // 16
    part = [first + worker % 16 * count + n for n in range(count)]
    start = random.randrange(count)
    return itertools.cycle(part[start:] + part[:start])


_next_ports = _ports()


def free_port():
    for port in _next_ports:
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


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
    freeze() keeps connections open but moves no byte, like a network that swallows packets;
    trickle() lets a number of bytes pass first.
    abandon() lets new connections through while those that there are stay frozen for good, as after
    a router between forgot them: neither side hears that the other one gave up."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.port = free_port()
        self._open = set()
        self._lock = threading.Lock()
        self._listener = None
        self._flowing = threading.Event()
        self._left = None  # bytes until the next freeze()
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

    def trickle(self, count):
        self._left = count
        self._flowing.set()

    def abandon(self):
        self._flowing = threading.Event()
        self._flowing.set()

    @property
    def frozen(self):
        return not self._flowing.is_set()

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
                threading.Thread(target=self._pump, args=(a, b, self._flowing), daemon=True).start()

    def _pump(self, source, sink, flowing):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                flowing.wait()
                sink.sendall(data)
                if self._left is not None:
                    self._left -= len(data)
                    if self._left <= 0:
                        self._left = None
                        self.freeze()
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
