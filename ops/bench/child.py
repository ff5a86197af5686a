"""Contenders of the benchmark that are one process: ``python -m ops.bench.child NAME …``.

Each prints a line when it is ready. For every number that it reads from standard input it processes
that many images and prints how many seconds it took.

- ``ceiling``: the images are in memory; threads decode, score and measure them. No program that
  uses this decoder and this model on these cores can be faster.
- ``script``: what people write first: load the model, process the images one by one, write a CSV
  file at the end.
"""

from __future__ import annotations

import csv
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import cv2
import torch

from thermal.detection.detector import Detector
from thermal.inspection import Content, Inspected, inspect
from thermal.memory import keep_freed_memory

#: Images per part, as in a worker.
BATCH = 64


def ceiling(paths: Sequence[Path], detector: Detector, threads: int) -> Callable[[int], None]:
    """Decode, score and measure in `threads` threads, each on one core, as a worker does."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    files = [path.read_bytes() for path in paths]
    pool = ThreadPoolExecutor(threads)
    size = min(detector.images_a_pass, BATCH // threads)

    def share(data: Sequence[bytes]) -> int:
        return len(inspected(data, detector))

    def run(count: int) -> None:
        images = list(islice(cycle(files), count))
        shares = [images[start : start + size] for start in range(0, count, size)]
        done = sum(pool.map(share, shares))
        if done != count:
            raise RuntimeError(f"{done} of {count} images were scored")

    return run


def inspected(images: Sequence[bytes], detector: Detector) -> list[Inspected]:
    """Decode, score and measure images. Raises `RuntimeError` if one is refused."""
    found = inspect(map(Content, images), detector)
    good = [item for item in found if isinstance(item, Inspected)]
    if len(good) != len(found):
        raise RuntimeError(f"{len(found) - len(good)} of the benchmark's images were refused")
    return good


def script(paths: Sequence[Path], detector: Detector, output: Path) -> Callable[[int], None]:
    """Process one image after the other, with as many library threads as the environment sets."""

    def run(count: int) -> None:
        rows = []
        for path in islice(cycle(paths), count):
            [found] = inspected([path.read_bytes()], detector)
            report = found.report
            rows.append([path, found.scored.score, report.hotspot_count, report.statistics.max])
        with output.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)

    return run


def main(name: str, model: str, images: str, device: str, threads: str) -> None:
    """Run as a contender until standard input ends."""
    if name == "ceiling":
        keep_freed_memory()  # as a worker does
    detector = Detector.load(Path(model), device)
    paths = sorted(Path(images).iterdir())
    if name == "ceiling":
        run = ceiling(paths, detector, int(threads))
    else:
        run = script(paths, detector, Path(os.devnull))
    run(2 * BATCH)  # warm up
    print("ready", flush=True)
    for line in sys.stdin:
        begun = time.perf_counter()
        run(int(line))
        print(time.perf_counter() - begun, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
