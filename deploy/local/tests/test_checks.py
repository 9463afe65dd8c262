"""`./dev check` finds what it is for, and stays silent where there is nothing."""

import subprocess
from pathlib import Path

import pytest
from handshaker_local import checks, imports, locks

PIN = "[project]\nname = 'handshaker-x'\ndependencies = [{}]\n[tool.flit.module]\nname = 'handshaker_x'\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that the checks take for this one."""
    for module in (checks, imports, locks):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(locks, "FOLDER", tmp_path / "requirements")
    subprocess.run(["git", "init", "-q", "-b", "main", tmp_path], check=True)
    return tmp_path


def write(tree: Path, name: str, text: str) -> None:
    (tree / name).parent.mkdir(parents=True, exist_ok=True)
    (tree / name).write_text(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see https://py" + "pi.org/simple", "a registry's host"),
        ("deb http://deb.debi" + "an.org/debian", "a registry's host"),
        ("open('/ro" + "ot/secret')", "an absolute path of one machine"),
        ("cd /ho" + "me/somebody/handshaker", "an absolute path of one machine"),
        ("-----BEGIN PRIVATE KEY-----\n" + "A" * 64, "a private key"),
    ],
)
def test_what_must_not_stand_in_a_file_is_found_with_its_line(tree: Path, text: str, found: str):
    write(tree, "notes.md", f"first line\n{text}\n")
    assert checks.forbidden_text().findings.startswith(f"notes.md:2: {found}: ")


@pytest.mark.parametrize(
    "text", ["/homes/x", "~/home/x", "-----BEGIN PRIVATE KEY-----\\ncut", "root/x", "$HOME/work/x"]
)
def test_what_only_looks_like_it_is_left_alone(tree: Path, text: str):
    write(tree, "notes.md", text)
    assert checks.forbidden_text().findings == ""


def test_files_that_git_ignores_are_not_looked_at(tree: Path):
    write(tree, ".gitignore", "notes.md\n")
    write(tree, "notes.md", "/ro" + "ot/x")
    assert checks.forbidden_text().findings == ""


def test_long_files_are_found_but_not_generated_ones(tree: Path):
    write(tree, "proto/handshaker_proto/long_pb2.py", "\n" * 500)
    write(tree, "short.py", "\n" * 400)
    assert checks.file_lengths().findings == ""
    write(tree, "long.py", "\n" * 401)
    assert checks.file_lengths().findings == "long.py: 401 lines, 400 at the most"


def test_requirements_must_be_pinned_and_locked(tree: Path):
    for name in locks.LOCKS:
        write(tree, f"requirements/{name}.txt", "some-thing==1.2 \\\n    --hash=sha256:00\n")
    write(tree, "pyproject.toml", "[project]\nname = 'root'\n")
    write(tree, "services/x/pyproject.toml", PIN.format("'some.Thing==1.2', 'handshaker-common'"))
    assert locks.drifted() == []
    write(tree, "services/x/pyproject.toml", PIN.format("'some-thing==1.3', 'other>=1'"))
    drifted = locks.drifted()
    assert len(drifted) == 2
    assert "'some-thing==1.3' is not what requirements/ locks" in drifted[0]
    assert "'other>=1' is not pinned" in drifted[1]


def test_imports_must_be_reached_by_what_is_declared(tree: Path):
    write(tree, "proto/pyproject.toml", PIN.replace("handshaker-x", "handshaker-p").format("'pytest==9.2.0'"))
    write(tree, "services/x/pyproject.toml", PIN.format("'handshaker-p'"))
    write(
        tree,
        "services/x/handshaker_x/__init__.py",
        "import os\nimport pytest\nfrom _pytest import mark\nimport pluggy\n",
    )
    assert imports.undeclared() == [], "pluggy comes with pytest, pytest with handshaker-p"
    write(tree, "services/x/handshaker_x/more.py", "\nimport hypothesis.strategies\n")
    assert imports.undeclared() == [
        "services/x/handshaker_x/more.py:2: imports hypothesis, which services/x/pyproject.toml does not lead to"
    ]


def test_the_wire_is_compared_with_main_or_with_what_main_was(tree: Path):
    git = ["git", "-C", str(tree), "-c", "user.name=x", "-c", "user.email=x@example.org"]

    def commit(field: str) -> None:
        source = f'syntax = "proto3";\npackage handshaker.x.v1;\nmessage M {{\n  {field} = 1;\n}}\n'
        write(tree, "proto/handshaker/x/v1/x.proto", source)
        subprocess.run([*git, "add", "."], check=True)
        subprocess.run([*git, "commit", "-qm", "x"], check=True)

    write(tree, "proto/buf.yaml", "version: v2\nmodules:\n  - path: .\n")
    commit("string a")
    assert checks.wire_compatibility() == checks.Result(note="no earlier commit has .proto files to compare with")
    subprocess.run([*git, "commit", "-qm", "nothing", "--allow-empty"], check=True)
    assert checks.wire_compatibility().findings == ""
    commit("int64 a")
    assert 'changed type from "string" to "int64"' in checks.wire_compatibility().findings


def test_failures_are_listed_at_the_end_and_end_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    made = {"good": lambda: checks.Result(note="as always"), "bad": lambda: checks.Result(findings="here: it is wrong")}
    monkeypatch.setattr(checks, "CHECKS", made)
    assert checks.main(["good"]) == 0
    assert checks.main([]) == 1
    said = capsys.readouterr().out
    assert said.endswith("\n--- bad\nhere: it is wrong\n\n1 of 2 checks failed: bad\n")
    with pytest.raises(SystemExit, match="2"):
        checks.main(["unknown"])
