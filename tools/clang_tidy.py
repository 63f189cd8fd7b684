"""Runs clang-tidy on files in parallel, remembering what was clean.

Usage: clang_tidy.py [--minutes M] [FILE…]: without files, all of src/, the most recently changed
first. A file is skipped when it, every header of ours that it includes and .clang-tidy are as they
were when it was last found clean. With --minutes, what is not reached in time is only counted.
"""

import argparse
import concurrent.futures
import hashlib
import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = os.path.join(
    os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache")), "minato", "clang-tidy"
)
INCLUDE = re.compile(rb'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def read(path):
    with open(os.path.join(ROOT, path), "rb") as file:
        return file.read()


def closure(path):
    """The file and all headers of ours that it reaches."""
    reached, waiting = {}, [path]
    while waiting:
        name = waiting.pop()
        if name in reached or not os.path.isfile(os.path.join(ROOT, name)):
            continue
        reached[name] = read(name)
        waiting += ["src/" + found.decode() for found in INCLUDE.findall(reached[name])]
    return reached


def key_of(path):
    digest = hashlib.sha256(read(".clang-tidy"))
    for name, text in sorted(closure(path).items()):
        digest.update(name.encode() + b"\0" + text)
    return digest.hexdigest()


def by_age():
    """All sources, the most recently committed first."""
    log = subprocess.run(
        ["git", "log", "--format=", "--name-only", "-z", "--", "src"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    names = [name for name in dict.fromkeys(re.split("[\0\n]", log)) if name.endswith(".cpp")]
    return [name for name in names if os.path.isfile(os.path.join(ROOT, name))]


def check(path, deadline):
    """(path, None when not reached in time, else what was found)"""
    remembered = os.path.join(CACHE, key_of(path))
    if os.path.exists(remembered):
        return path, ""
    if time.monotonic() > deadline:
        return path, None
    # Flags that only GCC knows are no business of clang's.
    run = subprocess.run(
        [
            "clang-tidy-16",
            "-p",
            "build",
            "--quiet",
            "--extra-arg=-Wno-unknown-warning-option",
            "--extra-arg=-Wno-unused-command-line-argument",
            path,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if run.returncode == 0:
        os.makedirs(CACHE, exist_ok=True)
        with open(remembered, "w", encoding="utf-8"):
            pass
        return path, ""
    return path, run.stdout or run.stderr


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1e6)
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    deadline = time.monotonic() + 60 * options.minutes
    files = [name for name in options.files or by_age() if name.startswith("src/")]
    bad = missed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for _, text in pool.map(lambda name: check(name, deadline), files):
            missed += text is None
            if text:
                bad += 1
                print(text, flush=True)
    print(
        "clang-tidy: %d files, %d with complaints%s"
        % (len(files) - missed, bad, ", %d not reached in time" % missed if missed else "")
    )
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
