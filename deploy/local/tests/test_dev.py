"""The script `./dev` and what prepares its environment, without installing anything."""

import os
import runpy
import subprocess
from pathlib import Path

import pytest
from handshaker_local.locks import FOLDER, LOCKS, ROOT

DEV = ROOT / "dev"


def dev(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DEV, *arguments], capture_output=True, text=True, check=False, env={**os.environ, **env}, timeout=60
    )


@pytest.mark.parametrize("arguments", [["help"], ["--help"], ["-h"], []])
def test_help_names_every_command(arguments: list[str]):
    said = dev(*arguments)
    assert said.returncode == 0
    for command in ("run", "test", "check", "bench", "proto", "docs", "lock", "help"):
        assert f"\n  {command} " in said.stdout


def test_an_unknown_command_is_an_error_with_the_help():
    said = dev("rnu")
    assert said.returncode == 2
    assert said.stderr.startswith("./dev: there is no command 'rnu'.\nusage: ./dev COMMAND")


def test_without_a_new_enough_python_it_says_what_is_missing(tmp_path: Path):
    for name in ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "python"):
        old = tmp_path / name
        old.write_text("#!/bin/sh\nexit 1\n")
        old.chmod(0o755)
    said = dev("run", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert said.returncode == 1
    assert said.stderr == (
        "./dev needs Python 3.11 or newer, and found none. On Debian or Ubuntu: apt install python3 python3-venv\n"
    )


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.setenv("HANDSHAKER_VENV", str(tmp_path / "venv"))
    return runpy.run_path(str(ROOT / "deploy/local/bootstrap.py"))


def test_the_stamp_changes_with_the_locks_and_the_packages(bootstrap: dict):
    before = bootstrap["stamp"]("run")
    assert before == bootstrap["stamp"]("run")
    assert before != bootstrap["stamp"]("dev")
    assert not bootstrap["is_current"]("run"), "there is no environment"


def test_dev_contains_run(bootstrap: dict, tmp_path: Path):
    (tmp_path / "venv/bin").mkdir(parents=True)
    (tmp_path / "venv/bin/python").touch()
    bootstrap["stamp_file"]("dev").write_text(bootstrap["stamp"]("dev"))
    assert bootstrap["is_current"]("dev")
    assert bootstrap["is_current"]("run")
    bootstrap["stamp_file"]("dev").write_text("of another lock")
    assert not bootstrap["is_current"]("run")


def test_every_package_is_installed_those_that_others_need_first(bootstrap: dict):
    folders = [str(folder.relative_to(ROOT)) for folder in bootstrap["workspace"]()]
    assert folders[0] == "proto"
    assert {f"services/{name}" for name in ("auth", "keys", "signaling", "blobstore", "notify", "gateway")} < set(
        folders
    )
    assert {"mobile/core", "mobile/cli", "deploy/local"} < set(folders)


def test_without_root_and_sudo_it_says_what_to_type(bootstrap: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "apt-get").write_text("#!/bin/sh\nexit 0\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(bootstrap["PrepareFailed"], match=r"As root: apt install mosquitto prosody$"):
        bootstrap["install_debian"](["mosquitto", "prosody"], "This command")


@pytest.fixture
def npm_source(tmp_path: Path) -> Path:
    source = tmp_path / "peer"
    source.mkdir()
    (source / "package.json").write_text('{"name": "peer", "private": true}')
    (source / "package-lock.json").write_text(
        '{"name": "peer", "lockfileVersion": 3, "requires": true, "packages": {"": {"name": "peer"}}}'
    )
    return source


def test_npm_packages_are_installed_once_for_each_lock(bootstrap: dict, npm_source: Path, tmp_path: Path):
    assert not bootstrap["npm_is_current"](npm_source)
    bootstrap["install_npm"](npm_source)
    assert bootstrap["npm_is_current"](npm_source)
    assert [path.name for path in (tmp_path / "venv/npm").iterdir()] == ["peer"], "nothing else is left"
    (npm_source / "package-lock.json").write_text("{}")
    assert not bootstrap["npm_is_current"](npm_source)


def test_npm_packages_that_cannot_be_installed_say_why(bootstrap: dict, npm_source: Path):
    (npm_source / "package.json").write_text('{"dependencies": {"which-the-lock-does-not-name": "1.0.0"}}')
    with pytest.raises(bootstrap["PrepareFailed"], match=r"^peer, which .* npm needs the network once:\n"):
        bootstrap["install_npm"](npm_source)
    assert not bootstrap["npm_is_current"](npm_source)


def test_the_lock_of_npm_names_no_place(bootstrap: dict):
    lock = (ROOT / "tests/peers/libsignal/package-lock.json").read_text()
    assert '"resolved"' not in lock
    assert lock.count('"integrity"') == lock.count('"node_modules/')


@pytest.mark.parametrize("name", LOCKS)
def test_locks_hold_hashes_and_nothing_of_a_machine(name: str):
    text = (FOLDER / f"{name}.txt").read_text()
    entries = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert entries
    assert all("==" in entry and entry.endswith("\\") for entry in entries), "each with a version and hashes"
    assert "://" not in text
    assert "-e " not in text
