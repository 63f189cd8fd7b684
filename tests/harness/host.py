"""Another host, whose network can be lost: a network namespace with an address of its own.

Unlike a proxy (harness.ports), whose kernel goes on answering for it, nothing answers here: packets
are lost, as when a machine loses its power or a router a route."""

import os
import subprocess


def can_make():
    name = f"minato-try-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    subprocess.run(["ip", "netns", "del", name], capture_output=True)
    return made.returncode == 0


class Host:
    def __init__(self):
        self.name = f"minato-{os.getpid()}"
        number = os.getpid() % 16384
        # 198.18.0.0/15 is for tests (RFC 2544).
        self.here, self.address = (f"198.18.{number // 64}.{number % 64 * 4 + n}" for n in (1, 2))
        self.prefix = ["ip", "netns", "exec", self.name]
        self._link = f"mt{os.getpid()}"

    def __enter__(self):
        self._ip("netns", "add", self.name)
        self._ip(
            "link", "add", self._link, "type", "veth", "peer", "name", "eth0", "netns", self.name
        )
        self._ip("addr", "add", f"{self.here}/30", "dev", self._link)
        self._ip("link", "set", self._link, "up")
        self._ip("-n", self.name, "addr", "add", f"{self.address}/30", "dev", "eth0")
        self._ip("-n", self.name, "link", "set", "lo", "up")
        self.find()
        return self

    def __exit__(self, *_):
        self._ip("netns", "del", self.name)

    def lose(self):
        """From now on no packet arrives, in either direction, and nobody is told."""
        self._ip("-n", self.name, "link", "set", "eth0", "down")

    def find(self):
        self._ip("-n", self.name, "link", "set", "eth0", "up")

    @staticmethod
    def _ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)
