"""What needs no server: help, wrong usage, missing accounts, the shape of errors."""

import importlib
import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner
from handshaker_cli.commands import handshaker
from handshaker_cli.main import main, run
from shells import Inside, Shell

COMMANDS = [
    "register",
    "whoami",
    "search",
    "connect",
    "requests",
    "accept",
    "reject",
    "contacts",
    "send",
    "receive",
    "history",
    "verify",
    "acknowledge",
    "session",
    "pgp",
    "disappear",
    "phrase",
    "passphrase",
    "keystore",
    "duress",
    "backup",
    "panic",
    "device",
    "recover",
    "logout",
    "login",
    "daemon",
]
MINIMAL = {
    "search": ["bob.77"],
    "connect": ["bob.77"],
    "accept": ["1"],
    "reject": ["1"],
    "send": ["bob.77", "hi"],
    "history": ["bob.77"],
    "verify": ["bob.77"],
    "acknowledge": ["bob.77"],
    "session": ["status", "bob.77"],
    "pgp": ["export"],
    "disappear": ["bob.77"],
    "duress": ["off"],
    "backup": ["create", "file"],
    "panic": ["--yes"],
    "device": ["list"],
}


def test_the_commands_are_these_and_no_other(stranger):
    assert list(handshaker.commands) == COMMANDS
    shown = stranger.run("--help").succeeded().out
    listed = re.findall(r"^  ([a-z]+)  ", shown.partition("Commands:")[2].partition("A first")[0], re.MULTILINE)
    assert listed == COMMANDS


def test_the_installed_program_is_this_one():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
    module, function = project["scripts"]["handshaker"].split(":")
    assert getattr(importlib.import_module(module), function) is run


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command):
    shown = CliRunner().invoke(handshaker, [command, "--help"], prog_name="handshaker")
    assert shown.exit_code == 0
    assert "Example" in shown.output
    assert f"handshaker {command}" in shown.output or f" {command}" in shown.output.partition("Example")[2]
    assert max(map(len, shown.output.splitlines())) <= 100


def test_without_a_command_there_is_help_and_the_usage_code(capsys):
    assert main([]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "A first conversation:" in shown.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["register", "--email", "a@example.org"], "No such option"),
        (["send", "bob.77"], "Missing argument 'TEXT'"),
        (["receive", "--for", "soon"], "'soon' is not a valid float"),
        (["receive", "--for", "-1"], "-1"),
        (["receive", "--for", "nan"], "'nan' is not a number of seconds"),
        (["history", "bob.77", "--limit", "0"], "0 is not in the range"),
        (["--no-passphrase", "contacts"], "--no-passphrase and --passphrase-file exclude each other"),
    ],
)
def test_wrong_usage_is_said_in_a_sentence_that_points_to_the_help(stranger, arguments, sentence):
    said = stranger.run(*arguments)
    assert said.code == 2
    assert said.out == ""
    assert sentence in said.err
    assert "--help" in said.err
    assert len(said.err.strip().splitlines()) == 1
    as_json = stranger.run(*arguments, "--json")
    assert as_json.code == 2
    assert as_json.error["error"] == "usage"
    assert sentence in as_json.error["message"]


@pytest.mark.parametrize("command", [name for name in COMMANDS if name not in ("register", "recover")])
def test_without_an_account_every_command_says_how_to_register_and_makes_nothing(stranger, command):
    said = stranger.json(command, *MINIMAL.get(command, []))
    assert said.code == 2
    assert said.out == ""
    assert set(said.error) == {"error", "message"}
    assert said.error["error"] == "no_store"
    assert "register" in said.error["message"]
    assert not stranger.home.exists()


def test_registering_needs_a_server_and_says_how_to_name_one(stranger):
    said = stranger.run("register")
    assert said.code == 2
    assert "--server https://chat.example, or HANDSHAKER_SERVER" in said.err
    assert not stranger.home.exists()


@pytest.mark.parametrize(
    ("server", "code", "reason"),
    [
        ("https://chat.example/path", 2, "bad_server_address"),
        ("http://chat.example", 2, "insecure_server"),
        ("http://127.0.0.1:9", 4, "unreachable"),
    ],
)
def test_a_server_that_cannot_be_used_has_its_reason(stranger, server, code, reason):
    said = stranger.json("--server", server, "register")
    assert (said.code, said.error["error"]) == (code, reason)


def test_registering_can_be_repeated_after_a_wrong_server(stranger):
    assert stranger.run("--server", "http://127.0.0.1:9", "register").code == 4
    said = stranger.json("--server", "http://127.0.0.1:10", "register")
    assert (said.code, said.error["error"]) == (4, "unreachable")
    assert stranger.json("contacts").succeeded().objects == []
    assert stranger.json("whoami").error["error"] == "not_registered"


def test_a_wrong_passphrase_says_so_and_harms_nothing(stranger, tmp_path):
    stranger.run("--server", "http://127.0.0.1:9", "register")
    before = {path.name: path.read_bytes() for path in stranger.home.iterdir()}
    wrong = tmp_path / "wrong"
    wrong.write_text("not it\n")
    wrong.chmod(0o600)
    said = stranger.json("--passphrase-file", str(wrong), "contacts")
    assert (said.code, said.error["error"]) == (2, "wrong_passphrase")
    assert "passphrase is wrong" in said.error["message"]
    assert {path.name: path.read_bytes() for path in stranger.home.iterdir()} == before
    stranger.run("contacts").succeeded()


def test_without_a_terminal_and_a_file_the_passphrase_is_asked_for_in_a_sentence(stranger):
    said = Shell(stranger.home).json("--server", "http://127.0.0.1:9", "register")
    assert (said.code, said.error["error"]) == (2, "passphrase_needed")
    assert "--passphrase-file" in said.error["message"]
    assert not stranger.home.exists()


def test_a_passphrase_file_for_all_to_read_is_refused(stranger, tmp_path):
    readable = tmp_path / "readable"
    readable.write_text("open secret\n")
    readable.chmod(0o644)
    said = stranger.json("--server", "http://127.0.0.1:9", "--passphrase-file", str(readable), "register")
    assert (said.code, said.error["error"]) == (2, "unusable_passphrase")
    assert not stranger.home.exists()


def test_no_passphrase_is_chosen_once_and_plainly(stranger):
    bot = Inside(stranger.home)
    assert bot.run("--server", "http://127.0.0.1:9", "--no-passphrase", "register").code == 4
    bot.run("contacts").succeeded()
    assert (bot.home / "no-passphrase").stat().st_mode & 0o777 == 0o600
    assert bot.home.stat().st_mode & 0o777 == 0o700


def test_the_environment_speaks_where_no_option_does(stranger, passphrase_file, monkeypatch):
    monkeypatch.setenv("HANDSHAKER_SERVER", "http://127.0.0.1:9")
    monkeypatch.setenv("HANDSHAKER_PASSPHRASE_FILE", str(passphrase_file))
    monkeypatch.setenv("HANDSHAKER_HOME", str(stranger.home / "not used"))
    silent = Inside(stranger.home)
    assert silent.json("register").error["error"] == "unreachable"
    overruled = silent.json("--passphrase-file", str(stranger.home / "missing"), "contacts")
    assert overruled.error["error"] == "unusable_passphrase"


def test_options_may_stand_on_either_side_of_the_command(stranger):
    before, after = stranger.run("--json", "contacts"), stranger.run("contacts", "--json")
    assert before == after
    assert json.loads(before.err)["error"] == "no_store"


def test_there_is_no_colour_outside_a_terminal(stranger):
    shell = Shell(stranger.home)
    for said in (shell.run("contacts"), shell.run("--help")):
        assert "\x1b" not in said.out + said.err
