"""What every test of a fault ends with: it recovers, and nothing is lost."""

import re

from harness.compare import compare
from harness.ports import wait_until


def source_state(platform, pattern, seconds=30):
    """Waits until the source's state or error in `minato status` matches."""

    def look():
        source = platform.status()["sources"][0]
        text = f"{source['state']}: {source['error']}"
        return text if re.search(pattern, text, re.I) else None

    try:
        return wait_until(look, seconds, 0.2)
    except AssertionError:
        raise AssertionError(f"no /{pattern}/ in {platform.status()['sources']}") from None


def healthy_and_equal(mariadb, platform, seconds=60):
    mariadb.run("INSERT INTO shop.t (v) VALUES ('afterwards')")
    # `wait` fails at once while the source is in error; recovery may take one retry interval.
    wait_until(
        lambda: platform.call("wait", "--timeout", "5", check=False).returncode == 0,
        seconds,
        0.5,
        f"recovery; {platform.status()['sources']}",
    )
    compare(mariadb, platform, "shop")
    source_state(platform, "streaming")
