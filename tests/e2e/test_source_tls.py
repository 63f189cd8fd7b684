"""Connections to sources are encrypted where the server can, and refused where they must be and
cannot.

Method: a private MariaDB with certificates made here. Its accounts demand TLS, so what is captured
came encrypted; how it is refused is read from `status`, and a right setting heals it without a
restart."""

import json
import shutil

import pytest

from harness.certificates import Authority
from harness.compare import compare
from harness.mariadb import CDC_PASSWORD, CDC_PRIVILEGES, MariaDb
from harness.minato import scratch
from harness.ports import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def authority():
    directory = scratch("ca")
    yield Authority(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def source(authority):
    """Takes nobody without TLS; `cdc` needs no certificate, `strict` does."""
    certificate, key = authority.issue("server")
    directory = scratch("mdb")
    options = [f"--ssl-ca={authority.certificate}", f"--ssl-cert={certificate}", f"--ssl-key={key}"]
    with MariaDb(directory, options).install() as server:
        server.start().create_cdc_user()
        server.run(
            "ALTER USER cdc@'%' REQUIRE SSL",
            f"CREATE USER strict@'%' IDENTIFIED BY '{CDC_PASSWORD}' REQUIRE X509",
            f"GRANT {CDC_PRIVILEGES} ON *.* TO strict@'%'",
            "CREATE DATABASE shop",
            "CREATE TABLE shop.t (id INT PRIMARY KEY, v MEDIUMTEXT)",
            # Rows that do not fit a TLS record, nor the library's buffer.
            "INSERT INTO shop.t SELECT seq, REPEAT(CHAR(64 + seq), seq * 9999) FROM seq_1_to_40",
        )
        yield server
    shutil.rmtree(directory, ignore_errors=True)


def source_state(platform):
    return next(iter(platform.status()["sources"]), {"state": None, "error": ""})


def refused(platform, words):
    """Waits until the source stands in an error that says `words`; the password is not in it."""

    def stands():
        found = source_state(platform)
        return found["state"] == "error" and words in found["error"]

    wait_until(stands, 30, what=f"an error that says {words!r}")
    for _ in range(10):
        assert stands(), "the state flickers while it tries again"
    assert CDC_PASSWORD not in platform.log.read_text()


def change(platform, *lines):
    """Other TLS settings for the only source."""
    kept = [x for x in platform.config.read_text().splitlines() if not x.startswith("tls")]
    at = kept.index("[[source]]") + 1
    platform.config.write_text("\n".join(kept[:at] + list(lines) + kept[at:]) + "\n")


def test_encrypted_where_the_server_can(source, new_platform):
    platform = new_platform()
    platform.source_add(source.url(), "shop.%")
    platform.serve()
    platform.wait(30)
    source.run("UPDATE shop.t SET v = CONCAT(v, v) WHERE id % 3 = 0", "DELETE FROM shop.t LIMIT 2")
    platform.wait(30)
    compare(source, platform, "shop")
    found = json.loads(platform.call("doctor", "--json", check=False).stdout)
    assert next(x["text"] for x in found if x["what"] == "encryption").startswith("TLSv1.")


def test_without_tls_the_account_is_refused_and_require_refuses_the_server(
    source, own_mariadb, new_platform
):
    """A server without TLS gives nothing to `require`; an account that demands TLS gives nothing to
    `disable`. Either heals by its setting alone."""
    own_mariadb.start().create_cdc_user()
    own_mariadb.run("CREATE DATABASE shop", "CREATE TABLE shop.t (id INT PRIMARY KEY)")
    platform = new_platform()
    platform.source_add(own_mariadb.url(), "shop.%")
    change(platform, 'tls = "require"')
    platform.serve()
    refused(platform, "offers no TLS")
    change(platform, 'tls = "prefer"')
    platform.wait(30)
    platform.call("source", "remove", "shop")
    other = new_platform()
    other.source_add(source.url(), "shop.%")
    change(other, 'tls = "disable"')
    other.serve()
    refused(other, "refuses cdc")
    change(other)
    other.wait(30)
    compare(source, other, "shop")


def test_verify_full_takes_the_right_authority_and_name_only(source, authority, new_platform):
    platform = new_platform()
    stranger = Authority(platform.directory, "stranger")
    platform.call(
        *("source", "add", "shop", source.url(), "--tables", "shop.%"),
        *("--password-file", platform.secret("source-shop", CDC_PASSWORD)),
        *("--tls", "verify-full", "--tls-ca-file", stranger.certificate),
    )
    assert 'tls_ca_file = "stranger.crt"' in platform.config.read_text()
    platform.serve()
    refused(platform, "certificate")
    change(platform, 'tls = "verify-full"')  # the system's authorities do not know it either

    def tried_again():
        log = platform.log.read_text()
        since = log.rpartition("source starts")[2]
        return log.count("source starts") >= 2 and "source stopped" in since

    wait_until(tried_again, 30, what="a try with the system's authorities")
    refused(platform, "certificate")
    change(platform, 'tls = "verify-full"', f'tls_ca_file = "{authority.certificate}"')
    platform.wait(30)
    compare(source, platform, "shop")
    # The right authority, another name; then the server's certificate is right again.
    wait_until(lambda: not source_state(platform)["error"], 30, what="the error to be gone")
    for names, end in (("DNS:db.example", refused), ("IP:127.0.0.1", None)):
        authority.issue("server", names)
        source.run("FLUSH SSL")
        for (connection,) in source.run(
            "SELECT id FROM information_schema.processlist WHERE user = 'cdc'"
        ):
            source.run(f"KILL {connection}")
        end(platform, "certificate") if end else platform.wait(30)
    compare(source, platform, "shop")


def test_an_account_may_need_a_certificate(source, authority, new_platform):
    platform = new_platform()
    platform.source_add(source.url("strict"), "shop.%")
    platform.serve()
    refused(platform, "refuses strict")
    certificate, key = authority.issue("client")
    files = (f'tls_cert_file = "{certificate}"', f'tls_key_file = "{key}"')
    change(platform, *files)
    platform.wait(30)
    compare(source, platform, "shop")
    change(platform, files[0])
    assert "one of tls_cert_file and tls_key_file" in platform.call("check", check=False).stdout
    change(platform, 'tls_cert_file = "gone.crt"', files[1])
    assert "gone.crt" in platform.call("check", check=False).stdout
