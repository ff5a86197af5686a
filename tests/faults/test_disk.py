"""Full disks: for the pictures, and for the database and Redis."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import select

from storage.db.database import reading
from storage.db.schema import results
from storage.files.frame_arrays import decode_arrays
from tests.faults.conftest import MakeSite
from tests.faults.lasting import let_pass, start_all, withstanding
from tests.faults.site import Site

#: Seconds for which the disk is full.
FULL_S = 10.0


@dataclass(frozen=True)
class SmallDisk:
    """A file system of 64 MiB, if this user may mount one."""

    path: Path
    refusal: str | None  #: why it could not be mounted

    @classmethod
    def mount(cls, path: Path) -> SmallDisk:
        words = ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(path)]
        try:
            subprocess.run(words, check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            return cls(path, f"no file system can be mounted: {getattr(error, 'stderr', error)}")
        return cls(path, None)

    def unmount(self) -> None:
        if self.refusal is None:
            subprocess.run(["umount", "--lazy", str(self.path)], check=True)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Fill the disk to the last byte."""
        if self.refusal is not None:
            pytest.skip(self.refusal)
        filler = self.path / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"\0" * 4096)
        yield
        filler.unlink()


@dataclass(frozen=True)
class Disks:
    """The directories in which the site stores its data."""

    state: SmallDisk  #: the database and Redis's append-only file
    pictures: SmallDisk


#: Fills the disk on entry and frees it on exit.
Fault = Callable[[Site, Disks], AbstractContextManager[None]]


def no_room_for_pictures(_site: Site, disks: Disks) -> AbstractContextManager[None]:
    return disks.pictures.full()


def no_room_for_database_and_redis(_site: Site, disks: Disks) -> AbstractContextManager[None]:
    return disks.state.full()


@contextmanager
def no_file_may_grow(site: Site, _disks: Disks) -> Iterator[None]:
    """Limit file sizes like a quota; works where nothing can be mounted."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for process in site.processes.values():
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (0, limits[1]))
    yield
    for process in site.processes.values():
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, limits)


FAULTS: tuple[Fault, ...] = (no_room_for_pictures, no_room_for_database_and_redis, no_file_may_grow)


@pytest.fixture(scope="module")
def disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disks]:
    """Two small disks."""
    disks = Disks(*(SmallDisk.mount(tmp_path_factory.mktemp(n)) for n in ("state", "pictures")))
    yield disks
    disks.state.unmount()
    disks.pictures.unmount()


@pytest.fixture(scope="module")
def site(disks: Disks, make_lasting_site: MakeSite) -> Site:
    """A site that is hit by one fault after another."""
    state, pictures = disks.state.path, disks.pictures.path
    url = f"sqlite:///{state / 'thermalwatch.db'}"
    return start_all(make_lasting_site(url, "--dir", str(state), THERMALWATCH_DATA=str(pictures)))


@pytest.mark.parametrize("fault", FAULTS)
def test_work_goes_on_when_there_is_room_again(site: Site, disks: Disks, fault: Fault) -> None:
    # to see it fail: let Worker._handle wait for storage errors only (the log is flooded), ignore
    # what `put` raises in `store_pictures` (rows name missing pictures), keep
    # partial files in ArtifactStore.put, or re-raise OperationalError unchanged in _translated
    # (processes end)
    with withstanding(site), fault(site, disks):
        site.upload(100)
        let_pass(site, FULL_S)
        assert not site.is_settled()
    _check_pictures(site, disks.pictures.path / "pictures")


def _check_pictures(site: Site, root: Path) -> None:
    """Check that every anomaly has its pictures, all complete, and that no other files are left."""
    columns = [c for c in results.c if c.name.endswith(("_picture", "_artifact"))]
    with reading(site.engine) as connection:
        rows = connection.execute(select(*columns).where(results.c.anomaly)).all()
    named = {name for row in rows for name in row}
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert rows
    assert None not in named
    assert named <= found
    for name in named:
        data = (root / name).read_bytes()
        if name.endswith(".npz"):
            decode_arrays(data)
        else:
            assert data.startswith(b"\x89PNG") and data.endswith(b"IEND\xaeB`\x82"), name
    assert not [name for name in found if Path(name).name.startswith(".")]
