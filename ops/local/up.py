"""`up`: the whole system on one machine, as one process tree."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import ops
from ops.config import wiring
from ops.config.state_directory import keep_files_private
from ops.errors import SettingsError
from ops.local import embedded_redis
from ops.local.child_logs import Console
from ops.local.redis_server import choose_server
from ops.local.supervisor import ChildSpec, Supervisor

if TYPE_CHECKING:
    from ops.config.settings import Settings
    from ops.config.state_directory import StateDirectory

#: Seconds for each kind of child to stop. Their sum is below the 90 s that systemd waits.
SERVER_STOP_S = 8.0
PRODUCER_STOP_S = 10.0
WORKER_STOP_S = 45.0
REDIS_STOP_S = 15.0


def run_system(settings: Settings, *, config: Path | None) -> int:
    """Run until a stop signal, and return its number. `config` is the children's settings file.

    Raises:
        OpsError, StorageError, ThermalError: it cannot start. No process is left running.
    """
    roots = wiring.watch_roots(settings)
    for root in roots:
        if not root.is_dir():  # lost later, the producer waits for it
            raise SettingsError(f"--watch {root}: no such directory; create or mount it first")
    keep_files_private()
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
            if settings.redis_url is None:
                supervisor.say(f"queue on {choose_server()}")
            supervisor.say(f"state in {state.root}; Ctrl-C stops")

        try:
            return supervisor.run(announce)
        finally:
            console.close()


def child_groups(
    settings: Settings, state: StateDirectory, *, roots: Sequence[Path], config: Path | None
) -> list[list[ChildSpec]]:
    """The groups of child processes in starting order; they stop in reverse.

    So the producer stops before the workers, and no worker loses Redis during a batch.
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
    """The dashboard. If it cannot start (port in use), scoring continues without it."""
    place = ("--host", settings.server.host, "--port", str(settings.server.port))
    return ChildSpec(
        "server",
        command_argv("serve", *shared, *place),
        env=child_environment(os.environ),
        stop_timeout_s=SERVER_STOP_S,
    )


def redis_child(state: StateDirectory) -> ChildSpec:
    """The embedded Redis. A damaged append-only file is set aside before it starts."""

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
    """The argument list that runs a command of this program from any directory."""
    return (sys.executable, "-P", "-m", "ops", *words)


def child_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables with which `command_argv` finds this package, even if it is not installed."""
    here = str(Path(ops.__file__).parents[1])
    earlier = environ.get("PYTHONPATH")
    return {
        "PYTHONPATH": os.pathsep.join([here, earlier] if earlier else [here]),
        "PYTHONUNBUFFERED": "1",  # log lines appear at once
    }


def thread_limits(environ: Mapping[str, str], workers: int) -> dict[str, str]:
    """Variables that share the cores among workers; by default each would use all of them."""
    threads = str(max(1, wiring.available_cores() // workers))
    names = ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
    return {name: environ.get(name, threads) for name in names}


def _register(settings: Settings) -> str:
    """Id of the active model. Checked here, so that a bad bundle is reported once, at the start."""
    from storage.errors import ModelNotFound
    from storage.models import active_model_id

    with wiring.open_database(settings) as engine:
        if settings.model is not None:
            from thermal.detection.bundle import load_bundle

            bundle = load_bundle(settings.model, settings.models.trusted)
            wiring.register_model(engine, bundle, now=time.time(), activate=True)
        model_id = active_model_id(engine)
        if model_id is None:
            raise ModelNotFound(
                "there is no model yet: give --model BUNDLE (`thermalwatch train` makes one)"
            )
        return model_id
