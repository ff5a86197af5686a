"""`up`: the whole system of one machine as one process tree."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ops
from ops.config import wiring
from ops.errors import SettingsError
from ops.local import embedded_redis
from ops.local.child_logs import Console
from ops.local.supervisor import ChildSpec, Supervisor

if TYPE_CHECKING:
    from ops.config.settings import Settings
    from ops.config.state_directory import StateDirectory

#: Seconds that each kind of child gets to end; together less than the 90 s that systemd waits.
SERVER_STOP_S = 8.0
PRODUCER_STOP_S = 10.0
WORKER_STOP_S = 45.0
REDIS_STOP_S = 15.0


def run_system(settings: Settings, *, config: Path | None) -> int:
    """Run until a stop signal, whose number is returned.

    Raises `OpsError`, `StorageError` or `ThermalError` when it cannot start; nothing runs then.
    """
    roots = wiring.watch_roots(settings)
    for root in roots:
        if not root.is_dir():  # while it runs, the producer waits for a lost directory instead
            raise SettingsError(f"--watch {root}: no such directory; make it, or mount it, first")
    state = wiring.state_directory(settings)
    with state.locked():
        if settings.redis_url is None:
            embedded_redis.prepare(state.root)
        model_id = _register(settings)
        console = Console(sys.stderr)
        supervisor = Supervisor(
            child_groups(settings, state, roots=roots, config=config),
            log_dir=state.logs,
            console=console,
        )

        def announce() -> None:
            supervisor.say(f"watching {', '.join(map(str, roots))} with model {model_id[:12]}")
            supervisor.say(f"state in {state.root}; Ctrl-C stops")

        try:
            return supervisor.run(announce)
        finally:
            console.close()


def child_groups(
    settings: Settings, state: StateDirectory, *, roots: Sequence[Path], config: Path | None
) -> list[list[ChildSpec]]:
    """The processes, in the order in which they start; they stop in the reverse order.

    So no frame is announced when nobody works any more, and no worker loses Redis in a batch.
    """
    shared = ["--data", str(state.root), *(["--config", str(config)] if config else [])]
    watch = [word for root in roots for word in ("--watch", str(root))]
    workers = [
        ChildSpec(
            name,
            command_argv(
                "work", *shared, "--device", settings.device, "--name", name, "--registered"
            ),
            env=child_environment(os.environ) | thread_limits(os.environ, settings.workers),
            stop_timeout_s=WORKER_STOP_S,
        )
        for name in (f"worker-{number}" for number in range(1, settings.workers + 1))
    ]
    producer = ChildSpec(
        "producer",
        command_argv("produce", *shared, *watch),
        env=child_environment(os.environ),
        stop_timeout_s=PRODUCER_STOP_S,
    )
    retention = ChildSpec(
        "retention",
        command_argv("retention", *shared, "--daily"),
        env=child_environment(os.environ),
        stop_timeout_s=PRODUCER_STOP_S,
    )
    groups = [workers, [producer, retention] if settings.retention.deletes else [producer]]
    if settings.server.enabled:
        groups.append([server_child(settings, shared)])
    return groups if settings.redis_url else [[redis_child(state)], *groups]


def server_child(settings: Settings, shared: Sequence[str]) -> ChildSpec:
    """The dashboard. When it cannot start (its port is taken) scoring goes on without it."""
    place = ("--host", settings.server.host, "--port", str(settings.server.port))
    return ChildSpec(
        "server",
        command_argv("serve", *shared, *place),
        env=child_environment(os.environ),
        stop_timeout_s=SERVER_STOP_S,
    )


def redis_child(state: StateDirectory) -> ChildSpec:
    """The embedded Redis, which mends what would keep it from starting."""

    def mend() -> None:
        embedded_redis.set_aside_damaged(state.root, state.logs / "redis.log", now=time.time())

    return ChildSpec(
        "redis",
        embedded_redis.redis_command(state.root),
        stop_timeout_s=REDIS_STOP_S,
        echo=False,
        before_start=mend,
        ready=lambda: embedded_redis.answers(state.root),
    )


def command_argv(*words: str) -> tuple[str, ...]:
    """Argument list that runs a command of this program from any directory."""
    return (sys.executable, "-P", "-m", "ops", *words)


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a command started with `command_argv` needs to find this package, installed or not."""
    here = str(Path(ops.__file__).parents[1])
    earlier = environ.get("PYTHONPATH")
    return {
        "PYTHONPATH": os.pathsep.join([here, earlier] if earlier else [here]),
        "PYTHONUNBUFFERED": "1",  # what a child says shows when it says it
    }


def thread_limits(environ: Mapping[str, str], workers: int) -> dict[str, str]:
    """Share the cores among the workers; unbounded, each would start a thread for every core."""
    threads = str(max(1, wiring.available_cores() // workers))
    names = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    return {name: environ.get(name, threads) for name in names}


def _register(settings: Settings) -> str:
    """Id of the model to work with; checked here, so a wrong bundle is said once and at once."""
    from storage.errors import ModelNotFound
    from storage.models import active_model_id

    with wiring.open_database(settings) as engine:
        if settings.model is not None:
            from thermal.detection.bundle import load_bundle

            bundle = load_bundle(settings.model)
            wiring.register_model(engine, bundle, now=time.time(), activate=True)
        model_id = active_model_id(engine)
        if model_id is None:
            raise ModelNotFound(
                "there is no model yet: give --model BUNDLE (`thermalwatch train` makes one)"
            )
        return model_id
