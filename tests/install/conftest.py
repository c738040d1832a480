"""Fresh systems of both releases, and what is to be installed there. Needs root, mmdebstrap and the package archive."""

import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import chroots
import deb
import pytest
from chroots import Chroot

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
README = deb.FOR_WHEELS
SOURCE = "/source"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.install)
            item.add_marker(pytest.mark.real)


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """A run takes minutes, and may be ended from outside: why a test failed is reported at once."""
    if report.failed and "tests/install" in report.nodeid:
        print(f"\n{report.longreprtext}\n", flush=True)


@pytest.fixture(params=chroots.SUITES, scope="session")
def suite(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def system(suite: str) -> Iterator[Callable[..., Chroot]]:
    """system("make", ...): a fresh system of the release, with those packages and nothing else."""
    with ExitStack() as stack:
        yield lambda *packages: stack.enter_context(chroots.fresh(suite, *packages))


@pytest.fixture
def package(suite: str) -> Path:
    return deb.built(suite)


@functools.cache
def with_package(suite: str) -> list[Path]:
    """The layers of a system where the package was installed by apt-get, with the package archive in reach."""
    package = deb.built(suite)
    with chroots.fresh(suite) as fresh:
        fresh.put(package, f"/packages/{package.name}")
        fresh.run("sh", "-c", f"apt-get update -qq && apt-get install -y -qq /packages/{package.name}", network=True)
        return keep(fresh, f"installed-{suite}")


def keep(system: Chroot, name: str) -> list[Path]:
    """What was done in it as a layer of its own, until the end of this run."""
    layer = chroots.CACHE / f"{chroots.suite_of(system.layers)}-{name}-{os.getpid()}"
    chroots.call("mv", system.work / "upper", layer)
    KEPT.append(layer)
    return [layer, *system.layers]


KEPT: list[Path] = []


def pytest_sessionfinish() -> None:
    for layer in KEPT:
        chroots.call("rm", "-rf", layer)


@pytest.fixture
def installed(suite: str) -> Iterator[Chroot]:
    """A system where the package is installed, and no network."""
    with chroots.scratch(with_package(suite)) as system:
        yield system


@pytest.fixture
def source(suite: str) -> Callable[[Chroot], None]:
    """Lays this tree down in a system, as a checkout would be."""

    def lay(system: Chroot) -> None:
        for name in ("Makefile", "pyproject.toml", "README.md", "src", "contrib", "etc", "docs", "packaging"):
            system.put(ROOT / name, f"{SOURCE}/{name}")

    return lay


@pytest.fixture
def wheels(suite: str) -> Path:
    """The directory that `make wheels` fills, for this release's Python."""
    return deb.wheels(suite)
