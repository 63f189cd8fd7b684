"""Fixtures of on-call's tests."""

import pytest
from harness.oncall import Oncall


@pytest.fixture
def oncall(new_platform):
    """Makes on-calls; all end with the test."""
    made = []

    def make(failpoint_build=False, **options):
        service = Oncall(new_platform(failpoint_build, account=False), **options)
        made.append(service)
        return service

    yield make
    for service in made:
        if service.process:
            service.kill()
