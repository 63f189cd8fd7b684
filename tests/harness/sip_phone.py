"""A person's telephone on loopback: baresip with a configuration of its own, driven by ctrl_tcp. It
answers or not, presses keys (RFC 4733), rejects with 486, and records what it hears."""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import wave

from .minato import MARK
from .ports import free_port, wait_until

MODULES = pathlib.Path("/usr/lib/baresip/modules")
SECONDS_MAX = 120  # of a call: baresip hangs up at the end of the file that it plays
INCOMING = "CALL_INCOMING"


def sip_port():
    """Free for UDP and TCP, and the one above it for TLS: baresip takes all three."""
    for _ in range(100):
        port = free_port()
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError):
            for kind, number in (
                (socket.SOCK_DGRAM, port),
                (socket.SOCK_STREAM, port),
                (socket.SOCK_STREAM, port + 1),
            ):
                one = stack.enter_context(socket.socket(socket.AF_INET, kind))
                one.bind(("127.0.0.1", number))
            return port
    raise AssertionError("no free pair of ports")


class SipPhone:
    """`numbers`: digits without "+", each an account that rings; all on one port (`port`).
    `answer_after`: seconds; None: it rings. Calls are in `calls`, oldest first: {"id", "number",
    "at", "answered", "ended"} (monotonic)."""

    def __init__(self, directory, numbers, answer_after=None, mark=""):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.numbers, self.answer_after = list(numbers), answer_after
        self.does = {}  # number → "reject", for single ones
        self.port, self.control = sip_port(), None
        self.mark = mark
        self.process = self._socket = None
        self.calls, self.events = [], []
        self._lock = threading.RLock()
        self._timers = []

    # -- the program -------------------------------------------------------------------------

    def start(self):
        while self.control in (None, self.port, self.port + 1):
            self.control = free_port()
        listen = f"127.0.0.1:{self.port}"
        modules = "module g711.so\nmodule aufile.so\nmodule sndfile.so\n"
        modules += "".join(f"module_tmp {name}.so\n" for name in ("uuid", "account"))
        modules += "".join(f"module_app {name}.so\n" for name in ("menu", "ctrl_tcp"))
        (self.directory / "config").write_text(
            f"sip_listen {listen}\nrtp_ports 32100-39000\nstatmode_default off\n"
            f"audio_source aufile,{self.directory / 'silence.wav'}\n"
            f"module_path {MODULES}\n{modules}"
            f"snd_path {self.directory}\nmenu_bell no\nctrl_tcp_listen 127.0.0.1:{self.control}\n"
        )
        (self.directory / "accounts").write_text(
            "".join(
                f"<sip:{number}@{listen}>;regint=0;audio_codecs=PCMU,PCMA\n"
                for number in self.numbers
            )
        )
        (self.directory / "contacts").write_text("\n")
        with wave.open(str(self.directory / "silence.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(2 * 8000 * SECONDS_MAX))
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["baresip", "-f", str(self.directory)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **({MARK: self.mark} if self.mark else {})},
            )
        self._socket = wait_until(
            lambda: socket.create_connection(("127.0.0.1", self.control), 1), 10, what="baresip"
        )
        self._socket.settimeout(None)
        threading.Thread(target=self._read, daemon=True).start()
        return self

    def kill(self):
        """As a telephone whose battery ends: no BYE."""
        for timer in self._timers:
            timer.cancel()
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        if self._socket:
            self._socket.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    def log(self):
        return (self.directory / "log").read_text(errors="replace")

    # -- the person --------------------------------------------------------------------------

    def command(self, name, parameters=""):
        text = json.dumps({"command": name, "params": parameters, "token": "t"}).encode()
        with self._lock:
            self._socket.sendall(b"%d:%s," % (len(text), text))
        time.sleep(0.05)  # commands that come together are merged by ctrl_tcp

    def answer(self):
        self.command("accept")

    def press(self, keys):
        for key in keys:
            self.command("sndcode", key)
            time.sleep(0.2)  # as long as a finger
            self.command("sndcode", "\x04")  # released

    def hang_up(self):
        self.command("hangup")

    def wait_for_call(self, number=None, count=1, seconds=30):
        return wait_until(
            lambda: (found := self.calls_to(number)) and len(found) >= count and found[-1],
            seconds,
            what=f"call {count} to {number}",
        )

    def wait_for_answer(self, seconds=30):
        return wait_until(
            lambda: next((c for c in self.calls if c["answered"] and not c["ended"]), None),
            seconds,
            what="a call that is answered",
        )

    def calls_to(self, number=None):
        with self._lock:
            return [c for c in self.calls if number in (None, c["number"])]

    def living(self):
        with self._lock:
            return [c for c in self.calls if not c["ended"]]

    # -- what it hears -----------------------------------------------------------------------

    def recordings(self):
        """The sound of each call, as WAV files; complete when the call has ended."""
        return sorted(self.directory.glob("dump-*-dec.wav"))

    # -- events ------------------------------------------------------------------------------

    def _read(self):
        buffer = b""
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                buffer += data
                while match := re.match(rb"(\d+):", buffer):
                    end = match.end() + int(match[1])
                    if len(buffer) <= end:
                        break
                    message, buffer = buffer[match.end() : end], buffer[end + 1 :]
                    self._take(json.loads(message))

    def _take(self, event):
        with self._lock:
            self.events.append(event)
            kind, call = event.get("type"), event.get("id")
            known = next((c for c in self.calls if c["id"] == call), None)
            if kind == INCOMING:
                number = re.search(r"sip:(\d+)@", event.get("accountaor", ""))
                number = number[1] if number else ""
                self.calls.append(
                    {
                        "id": call,
                        "number": number,
                        "at": time.monotonic(),
                        "answered": None,
                        "ended": None,
                    }
                )
                self._react(number)
            elif known and kind == "CALL_ESTABLISHED":
                known["answered"] = time.monotonic()
            elif known and kind == "CALL_CLOSED":
                known["ended"] = time.monotonic()

    def _react(self, number):
        if self.does.get(number) == "reject":
            then, after = self.hang_up, 0.2
        elif self.answer_after is not None:
            then, after = self.answer, self.answer_after
        else:
            return
        timer = threading.Timer(after, then)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)


def loudness(path):
    """(Hz, channels, root mean square of 16-bit samples, seconds)."""
    with wave.open(str(path)) as file:
        assert file.getsampwidth() == 2
        data = memoryview(file.readframes(file.getnframes())).cast("h")
        hz, channels = file.getframerate(), file.getnchannels()
    rms = (sum(x * x for x in data) / max(1, len(data))) ** 0.5
    return hz, channels, rms, len(data) / hz / channels
