"""Fixtures: a site of one's own for every test."""
import itertools
import os
import socket
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from tests.lib.site import Site  # noqa: E402

_number = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--soak", action="store_true", help="run what needs volume or hours")


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: needs volume or hours; only with --soak")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--soak"):
        return
    for item in items:
        if "soak" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="volume: `make soak` runs it"))


@pytest.fixture(scope="session")
def pki_folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("pki"))


def free_port():
    """A port of the machine's loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def new_site(tmp_path, pki_folder):
    """Makes sites that are not started yet; removes them after the test."""
    sites = []

    def make():
        name = f"t{os.getpid() % 1000}x{next(_number)}"
        sites.append(Site(name, str(tmp_path), pki_folder, f"127.0.0.1:{free_port()}"))
        return sites[-1]

    yield make
    for site in sites:
        site.remove()


@pytest.fixture
def site(new_site, request):
    """A running site with the standard topology. On failure its log is shown."""
    made = new_site()
    made.start()
    yield made
    report = getattr(request.node, "outcome_of_call", None)
    if report and report.failed:
        print(made.appliance.tail(80))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.outcome_of_call = outcome.get_result()
