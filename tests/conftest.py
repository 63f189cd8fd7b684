"""Fixtures shared by all tests that run the real program. Logs of a platform are shown when its
test fails."""

import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from harness.mariadb import MariaDb  # noqa: E402
from harness.minato import Platform, binary, scratch  # noqa: E402


# Tests that start programs of their own take seconds each: left out of `./dev test --fast`.
SLOW_FIXTURES = {"own_mariadb", "new_platform", "own_source"}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    if not binary().exists():
        for item in items:
            if "no_minato" not in item.keywords:
                item.add_marker(pytest.mark.skip(reason=f"{binary()} is not built"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for value in list(getattr(item, "funcargs", {}).values()):
            for platform in getattr(value, "made", [value]):
                if isinstance(platform, Platform):
                    report.sections.append((f"platform log {platform.log}", platform.tail(8000)))


@pytest.fixture(scope="session")
def mariadb():
    """One server for all tests of a run that do not hurt it; each test takes databases of its
    own."""
    directory = scratch("mdb")
    with MariaDb(directory).install() as server:
        server.start().create_cdc_user()
        yield server
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def own_mariadb():
    """A server that this test may stop, kill or configure."""
    directory = scratch("mdb")
    with MariaDb(directory).install() as server:
        yield server
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def new_platform():
    """Makes platforms (initialised, with an account, not yet serving) and removes all of them at
    the end."""
    directories = []

    def make(failpoint_build=False, account=True, init=True):
        directory = scratch("mt")
        platform = Platform(directory / "p", failpoint_build)
        make.made.append(platform)
        directories.append(directory)
        if init:
            platform.init()
        if init and account:
            platform.account_add()
        return platform

    make.made = []
    yield make
    for platform, directory in zip(make.made, directories):
        platform.kill_all()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def shared(mariadb):
    """A serving platform that captures all databases e2e_*; shared by all tests that do not hurt
    it."""
    directory = scratch("mt")
    platform = Platform(directory / "p")
    try:
        platform.init()
        platform.configure("marts", refresh_seconds=1)
        platform.source_add(mariadb.url(), "e2e_%.%")
        platform.account_add()
        platform.serve()
        yield platform
        platform.stop()
    finally:
        platform.kill_all()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def db(mariadb, request):
    """An empty database at the source, named after the test; dropped afterwards."""
    name = ("e2e_" + request.node.name.split("[")[0].removeprefix("test_"))[:60].rstrip("_")
    mariadb.run(f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    yield name
    mariadb.run(f"DROP DATABASE IF EXISTS {name}")
