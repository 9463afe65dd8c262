"""What protects an account, as people use it: phrase, passphrase, backup, disappearing messages, duress, panic."""

from collections.abc import Callable
from pathlib import Path

import pytest
from handshaker_core.store import vault
from shells import PASSPHRASE, Inside, Options, Shell

DURESS = "another horse entirely"


def secret_file(folder: Path, text: str) -> str:
    path = folder / f"secret-{abs(hash(text))}"
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


@pytest.fixture(scope="module")
def anna(people: Callable[..., Options]) -> Options:
    somebody = people("safe_anna", Inside)
    somebody.register("--username", "safe_anna.42")
    return somebody


@pytest.fixture(scope="module")
def bert(people: Callable[..., Options], anna: Options) -> Options:
    """Somebody who is connected with Anna."""
    somebody = people("safe_bert", Inside)
    somebody.register("--username", "safe_bert.42")
    anna.json("connect", "safe_bert.42").succeeded()
    somebody.json("receive").succeeded()
    somebody.json("accept", "1").succeeded()
    anna.json("receive").succeeded()
    return somebody


def test_the_phrase_is_shown_and_checked(anna: Options, tmp_path: Path) -> None:
    (shown,) = anna.json("phrase").succeeded().objects
    words = shown["words"].split()
    assert len(words) == 24
    plain = anna.run("phrase").succeeded().out
    assert "1. " in plain
    assert "Write them on paper" in plain
    assert all(word in plain for word in words)
    right = anna.json("phrase", "check", "--phrase-file", secret_file(tmp_path, " ".join(words))).succeeded()
    assert right.objects[0]["done"] == "phrase_right"
    typo = [*words[:6], "zzzzz", *words[7:]]
    wrong = anna.json("phrase", "check", "--phrase-file", secret_file(tmp_path, " ".join(typo)))
    assert (wrong.code, wrong.error["error"]) == (2, "invalid_phrase")
    assert "Word 7" in wrong.error["message"]
    other = " ".join(["abandon"] * 23 + ["art"])
    another = anna.json("phrase", "check", "--phrase-file", secret_file(tmp_path, other))
    assert (another.code, another.error["error"]) == (2, "invalid_phrase")


def test_a_forgotten_passphrase_is_set_anew_by_the_phrase(people: Callable[..., Options], tmp_path: Path) -> None:
    somebody = people("safe_forgetful", Inside)
    somebody.register()
    words = somebody.json("phrase").succeeded().objects[0]["words"]
    phrase, new = secret_file(tmp_path, words), secret_file(tmp_path, "a new one")
    somebody.json("passphrase", "--forgotten", "--phrase-file", phrase, "--new-passphrase-file", new).succeeded()
    refused = somebody.json("whoami")
    assert (refused.code, refused.error["error"]) == (2, "wrong_passphrase")
    somebody.json("--passphrase-file", new, "whoami").succeeded()
    old = secret_file(tmp_path, PASSPHRASE)
    somebody.json("--passphrase-file", new, "passphrase", "--new-passphrase-file", old).succeeded()
    somebody.json("whoami").succeeded()


def test_a_backup_is_written_once_and_read_back(anna: Options, bert: Options, tmp_path: Path) -> None:
    anna.json("send", "safe_bert.42", "kept in the backup").succeeded()
    file = tmp_path / "anna.backup"
    (written,) = anna.json("backup", "create", str(file)).succeeded().objects
    assert written == {
        "type": "written",
        "file": str(file),
        "kind": "backup",
        "bytes": file.stat().st_size,
        "messages": None,
    }
    again = anna.json("backup", "create", str(file))
    assert (again.code, again.error["error"]) == (2, "file_exists")
    (restored,) = anna.json("backup", "restore", str(file)).succeeded().objects
    assert restored["contacts"] == 1
    assert restored["messages"] >= 1
    other = bert.json("backup", "restore", str(file))
    assert (other.code, other.error["error"]) == (2, "backup_wrong_key")
    file.write_bytes(file.read_bytes()[:-1])
    cut = anna.json("backup", "restore", str(file))
    assert (cut.code, cut.error["error"]) == (1, "backup_damaged")


def test_messages_disappear_on_both_sides(anna: Options, bert: Options) -> None:
    (timer,) = anna.json("disappear", "safe_bert.42", "1h").succeeded().objects
    assert timer["seconds"] == 3_600
    bert.json("receive").succeeded()
    assert bert.json("disappear", "safe_anna.42").succeeded().objects[0]["seconds"] == 3_600
    anna.json("send", "safe_bert.42", "not for ever").succeeded()
    bert.json("receive").succeeded()
    shown = bert.run("history", "safe_anna.42").succeeded().out
    assert "not for ever" in shown
    assert "[disappears " in shown
    assert "set new messages to disappear 1 hour after they are read" in shown
    assert bert.json("disappear", "safe_anna.42", "off").succeeded().objects[0]["seconds"] is None
    for wrong in ("1", "0h", "5y", "-1h"):
        refused = bert.json("disappear", "safe_anna.42", wrong)
        assert refused.code == 2
        assert "30m, 1h" in refused.error["message"] or "No such option" in refused.error["message"]


def test_the_keystore_is_named_where_there_is_none(anna: Options, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    assert anna.json("keystore").succeeded().objects[0]["done"] == "keystore_off"
    refused = anna.json("keystore", "on")
    assert (refused.code, refused.error["error"]) == (1, "keystore_unavailable")
    assert anna.json("keystore").succeeded().objects[0]["done"] == "keystore_off"


def test_the_duress_passphrase_opens_a_decoy_and_nothing_comes_back(
    people: Callable[..., Options], anna: Options, tmp_path: Path
) -> None:
    somebody = people("safe_watched", Inside)
    somebody.register("--username", "safe_watched.42")
    account = somebody.json("whoami").succeeded().objects[0]["account_id"]
    same = somebody.json("duress", "set", "--new-passphrase-file", secret_file(tmp_path, PASSPHRASE))
    assert (same.code, same.error["error"]) == (2, "passphrase_in_use")
    duress = secret_file(tmp_path, DURESS)
    files = sorted(path.name for path in somebody.home.iterdir())
    somebody.json("duress", "set", "--new-passphrase-file", duress).succeeded()
    assert sorted(path.name for path in somebody.home.iterdir()) == files
    assert somebody.json("whoami").succeeded().objects[0]["account_id"] == account

    decoy = somebody.json("--passphrase-file", duress, "whoami").succeeded().objects[0]
    assert decoy["account_id"] != account
    assert decoy["logged_in"]
    (friend,) = somebody.json("--passphrase-file", duress, "contacts").succeeded().objects
    said = somebody.json("--passphrase-file", duress, "history", friend["name"]).succeeded().objects
    assert len(said) > 8
    sent = somebody.json("--passphrase-file", duress, "send", str(friend["contact"]), "hello").succeeded()
    assert sent.objects[0]["state"] in ("stored", "delivered")
    gone = somebody.json("whoami")
    assert (gone.code, gone.error["error"]) == (2, "wrong_passphrase")
    assert sorted(path.name for path in somebody.home.iterdir()) == files


@pytest.mark.parametrize("how", ["with the passphrase", "without the passphrase", "with a damaged vault"])
def test_panic_leaves_nothing(people: Callable[..., Options], how: str, tmp_path: Path) -> None:
    name = "safe_" + how.replace(" ", "_")
    somebody = people(name, Inside)
    somebody.register()
    options: list[str] = []
    if how == "without the passphrase":
        options = ["--passphrase-file", secret_file(tmp_path, "unknown")]
    elif how == "with a damaged vault":
        (somebody.home / "vault").write_bytes(bytes(vault.VAULT_SIZE))
    (done,) = somebody.json(*options, "panic", "--yes").succeeded().objects
    assert done == {"type": "panicked", "server_told": how == "with the passphrase"}
    assert list(somebody.home.iterdir()) == []
    again = somebody.json("panic", "--yes")
    assert (again.code, again.error["error"]) == (2, "no_store")


def test_panic_works_through_the_daemon_which_ends(people: Callable[..., Options]) -> None:
    somebody = people("safe_served", Shell)
    somebody.register()
    with somebody.start("--json", "daemon") as daemon:
        daemon.wait_for('"ready"')
        (done,) = somebody.json("panic", "--yes").succeeded().objects
        assert done == {"type": "panicked", "server_told": True}
        daemon.end()
    assert list(somebody.home.iterdir()) == []
