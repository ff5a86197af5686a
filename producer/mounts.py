"""File systems on which inotify misses changes made by other machines."""

from __future__ import annotations

import os
import re

#: Mount types on which inotify misses changes made by other machines.
NETWORK_TYPES = frozenset(
    {
        "9p",
        "afs",
        "autofs",  # placeholder for a network file system that is mounted on access
        "beegfs",
        "ceph",
        "cifs",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "prl_fs",
        "smb2",
        "smb3",
        "smbfs",
        "vboxsf",
        "virtiofs",
    }
)
#: FUSE file systems are usually remote (sshfs, rclone, s3fs, davfs, hypervisor shares); these are
#: local.
LOCAL_FUSE_TYPES = frozenset({"fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.ntfs-3g"})

#: Where Linux lists mounted file systems.
MOUNTS = "/proc/self/mounts"

_ESCAPE = re.compile(rb"\\([0-7]{3})")


def network_type(path: str, mounts: bytes) -> str | None:
    """The type of the network file system that holds `path` or is mounted beneath it, or None.

    `path` is absolute and free of symbolic links; `mounts` is the content of `MOUNTS`.
    """
    holding, holding_type = "", ""
    beneath: dict[str, str] = {}
    for line in mounts.splitlines():
        _device, point, mount_type = (_unescape(field) for field in line.split(b" ")[:3])
        # A later mount on the same point hides the earlier one.
        if _contains(point, path):
            if len(point) >= len(holding):
                holding, holding_type = point, mount_type
        elif _contains(path, point):
            beneath[point] = mount_type
    return next(filter(_is_network, (holding_type, *beneath.values())), None)


def _is_network(mount_type: str) -> bool:
    if mount_type.startswith("fuse."):
        return mount_type not in LOCAL_FUSE_TYPES
    return mount_type in NETWORK_TYPES


def _contains(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer.rstrip("/") + "/")


def _unescape(field: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda match: bytes([int(match[1], 8) & 255]), field))
