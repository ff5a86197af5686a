"""This machine: disk, watch directories, device, clock."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from ops.doctor.check import Check

#: Free bytes on disk below which `doctor` reports a problem.
LOW_DISK_BYTES = 1 << 30

#: Share of the kernel's limit of watches above which `doctor` reports a problem.
WATCH_SHARE = 0.8

INOTIFY_LIMITS = Path("/proc/sys/fs/inotify")


def disk(data: Path) -> Check:
    there = next((p for p in (data, *data.absolute().parents) if p.exists()), Path("/"))
    usage = shutil.disk_usage(there)
    finding = f"{data}: {usage.free / 2**30:.1f} GiB free of {usage.total / 2**30:.1f} GiB"
    if data.exists() and not os.access(data, os.W_OK | os.X_OK):
        return Check("disk", f"{data}: no write permission", "correct its owner or mode")
    if usage.free < LOW_DISK_BYTES:
        return Check(
            "disk", finding, "free some space, for example in pictures/ (by camera and day)"
        )
    return Check("disk", finding)


def watch(root: Path, observer: str) -> Check:
    name = f"watch {root}"
    if not root.is_dir():
        return Check(name, "no such directory", "create or mount it; the producer waits for it")
    if not os.access(root, os.R_OK | os.X_OK):
        return Check(name, "no read permission", "correct its owner or mode")
    from producer.mounts import MOUNTS, network_type

    mounts = Path(MOUNTS)
    kind = network_type(os.path.realpath(root), mounts.read_bytes()) if mounts.exists() else "all"
    if observer == "polling" or (observer == "auto" and kind is not None):
        return Check(name, f"readable, polled ({kind or 'as configured'})")
    return _inotify(name, root)


def _inotify(name: str, root: Path) -> Check:
    directories = 1 + sum(len(folders) for _, folders, _ in os.walk(root))
    try:
        limit = int((INOTIFY_LIMITS / "max_user_watches").read_text())
    except (OSError, ValueError):
        return Check(name, f"readable, {directories} directories")
    finding = f"readable, inotify watches {directories} directories; the limit is {limit} per user"
    if directories > WATCH_SHARE * limit:
        return Check(name, finding, f"sysctl fs.inotify.max_user_watches={directories * 4}")
    return Check(name, finding)


def device(device: str) -> Check:
    if device == "auto" and not _may_have_gpu():
        return Check("device", "cpu (no GPU on this machine)")
    import torch

    from thermal.detection.detector import choose_device

    chosen = choose_device(device)
    if chosen.startswith("cuda"):
        if not torch.cuda.is_available():
            return Check(
                "device",
                f"{device} is configured, but torch {torch.__version__} finds no such GPU",
                "install the GPU build of torch and the driver, or set device = 'auto'",
            )
        return Check("device", f"{chosen}: {torch.cuda.get_device_name(chosen)}")
    return Check("device", f"{chosen} with torch {torch.__version__}")


def _may_have_gpu() -> bool:
    """Whether there may be a GPU. If not, we save the seconds that importing torch takes."""
    return any(Path("/dev").glob("nvidia*")) or Path("/dev/kfd").exists()


def system_clock(now: float) -> Check:
    """Check for a clock that starts in the past, as on machines without a clock battery."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    newest_source = Path(__file__).stat().st_mtime
    if now < newest_source - 86_400:
        return Check("clock", f"{stamp}, earlier than this program", "set the clock (NTP)")
    return Check("clock", stamp)
