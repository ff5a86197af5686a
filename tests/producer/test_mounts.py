"""Which directories have to be polled."""

from __future__ import annotations

from pathlib import Path

import pytest

from producer.mounts import MOUNTS, network_type

MOUNTED = rb"""/dev/sda1 / ext4 rw,relatime 0 0
server:/export /srv/uploads nfs4 rw,vers=4.2 0 0
//nas/cams /mnt/two\040words\134 cifs rw 0 0
cam@host: /home/op/cam fuse.sshfs rw 0 0
overlay /home/op/rootless fuse.fuse-overlayfs rw 0 0
systemd-1 /net/auto autofs rw 0 0
tmpfs /srv/uploads/fast tmpfs rw 0 0
server:/late /data nfs rw 0 0
/dev/sdb1 /data xfs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/uploads", None),
        ("/srv/uploads", "nfs4"),
        ("/srv/uploads/roof/2024", "nfs4"),
        ("/srv/uploads-local", None),  # only the beginning of the name is the same
        ("/srv/uploads/fast/a", None),  # a local file system mounted on a remote one
        ("/mnt/two words\\/a", "cifs"),
        ("/home/op/cam/x", "fuse.sshfs"),
        ("/home/op/rootless", None),
        ("/net/auto/x", "autofs"),
        ("/srv", "nfs4"),  # one camera's directory is mounted beneath the root
        ("/data/a", None),  # the later mount on the same point hides the earlier
    ],
)
def test_network_file_systems_are_recognised(path: str, expected: str | None) -> None:
    assert network_type(path, MOUNTED) == expected


def test_the_mounts_of_this_machine_can_be_read(tmp_path: Path) -> None:
    assert network_type(str(tmp_path), Path(MOUNTS).read_bytes()) is None
