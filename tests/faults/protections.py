"""Check that the test of each protection fails when the protection is removed.

    python -m tests.faults.protections [NAME…]

Applies each removal of `tests.faults.removals` to a copy of the repository and runs its tests
there. Prints one line per test:

    seen      the test failed, as it should; its error follows
    NOT SEEN  the test passed, was skipped, or could not run

Exits with 1 if any was not seen. All removals take about an hour and a half.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.faults.removals import REMOVALS
from tests.faults.removals.removal import Edit, Removal
from tests.waiting import PATIENCE_VARIABLE

REPOSITORY = Path(__file__).resolve().parents[2]
#: Seconds for one test: more than pytest's own limit, after which the test has failed.
TIMEOUT_S = 660
#: Seconds that a test waits for what will not happen without its protection.
PATIENCE_S = 60
#: Must be those of the copy, for the processes that a test starts as well.
PACKAGES = ("ops", "producer", "storage", "thermal", "worker", "tests")


@contextmanager
def copy_without(removal: Removal) -> Iterator[Path]:
    """A copy of the tracked files as they are in the work tree, without the protection."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    with tempfile.TemporaryDirectory(prefix="tw-without-", ignore_cleanup_errors=True) as name:
        copy = Path(name)
        for path in filter(None, os.fsdecode(listed.stdout).split("\0")):
            if (REPOSITORY / path).is_file():
                (copy / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(REPOSITORY / path, copy / path)
        for edit in removal.edits:
            remove(edit, copy / edit.file)
        yield copy


def remove(edit: Edit, file: Path) -> None:
    """Make one edit.

    Raises:
        ValueError: the old text is not in the file, or more than once.
    """
    text = file.read_text(encoding="utf-8")
    if text.count(edit.old) != 1:
        raise ValueError(f"{text.count(edit.old)} times in {edit.file}, not once: {edit.old!r}")
    file.write_text(text.replace(edit.old, edit.new), encoding="utf-8")


def environment(copy: Path) -> dict[str, str]:
    """Makes Python import from the copy: PYTHONPATH comes before an editable install.

    The history is that of the repository.
    """
    found = subprocess.run(
        ["git", "rev-parse", "--absolute-git-dir"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    patience = {PATIENCE_VARIABLE: os.environ.get(PATIENCE_VARIABLE, str(PATIENCE_S))}
    history = {"GIT_DIR": found.stdout.strip()}
    return {**os.environ, **patience, **history, "PYTHONPATH": str(copy), "COLUMNS": "400"}


def check_imports(copy: Path) -> None:
    """Check that processes import the packages of the copy.

    Raises:
        RuntimeError: they do not, or a changed file cannot be imported.
    """
    code = "import {0}; print(*({0}), sep=chr(10))".format(", ".join(PACKAGES))
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tempfile.gettempdir(),
        env=environment(copy),
        capture_output=True,
        text=True,
        check=False,
    )
    found = answer.stdout.count(f"from '{copy}/")
    if found != len(PACKAGES):
        raise RuntimeError(f"the copy is not what is imported: {answer.stdout}{answer.stderr}")


def run_test(copy: Path, test: str) -> tuple[bool, str]:
    """Whether a test fails in the copy, and the error reported by pytest."""
    words = ["-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", test]
    running = subprocess.Popen(
        [sys.executable, *words],
        cwd=copy,
        env=environment(copy),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        said, _ = running.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        return False, f"it had not ended after {TIMEOUT_S} s"
    finally:
        with suppress(ProcessLookupError):  # processes that the test left running
            os.killpg(running.pid, signal.SIGKILL)
    lines = said.splitlines() or [""]
    # a failing fixture is an error, not a failure: the product did not run at all
    failed = [line for line in lines if line.startswith("FAILED ")]
    return bool(failed), (failed or lines)[-1].rpartition(f"{test} - ")[2]


def try_removal(removal: Removal) -> bool:
    """Run the tests of a removal, print a line for each, and return whether all failed."""
    seen = True
    with copy_without(removal) as copy:
        check_imports(copy)
        for test in removal.node_ids:
            started = time.monotonic()
            failed, error = run_test(copy, test)
            took_s = time.monotonic() - started
            word = "seen    " if failed else "NOT SEEN"
            print(f"{word} {took_s:5.0f} s  {removal.name}  {test}\n    {error}", flush=True)
            seen &= failed
    return seen


def main(names: list[str]) -> int:
    """Try the named removals, or all."""
    by_name = {removal.name: removal for removal in REMOVALS}
    if unknown := set(names) - set(by_name):
        print(f"no such removal: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    chosen = [by_name[name] for name in names] or list(REMOVALS)
    not_seen = [removal.name for removal in chosen if not try_removal(removal)]
    print(f"{len(chosen) - len(not_seen)} of {len(chosen)} removals seen", *not_seen, sep="\n  ")
    return 1 if not_seen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
