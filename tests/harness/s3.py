"""An S3 server of one's own (versitygw: signatures, ListObjectsV2, multipart, as Amazon's), its
objects files in a directory."""

import os
import pathlib
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from .ports import free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACCESS_KEY, SECRET_KEY = "minato-test-key", "minato-test-secret-9d2f"


def program():
    return shutil.which("versitygw") or str(ROOT / ".deps" / "bin" / "versitygw")


class S3:
    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        self.process = None
        (self.directory / "buckets").mkdir(parents=True)
        (self.directory / "about").mkdir()  # of objects, for file systems without attributes
        self.log = self.directory / "requests.log"

    def make_bucket(self, name):
        (self.directory / "buckets" / name).mkdir()
        return self

    def start(self):
        assert self.process is None
        self.process = subprocess.Popen(
            [
                program(),
                "--port",
                f"127.0.0.1:{self.port}",
                "posix",
                "--sidecar",
                str(self.directory / "about"),
                str(self.directory / "buckets"),
            ],
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY},
            stdin=subprocess.DEVNULL,
            stdout=open(self.log, "ab"),
            stderr=subprocess.STDOUT,
        )
        wait_until(self._answers, 20, what="the S3 server's start")
        return self

    def _answers(self):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=2)
        except urllib.error.HTTPError as error:
            return error.code == 403  # we did not sign

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)
        self.process = None

    def objects(self, bucket):
        """The keys in a bucket."""
        root = self.directory / "buckets" / bucket
        found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return {str(path) for path in found if not path.parts[0].startswith(".sgwtmp")}
