"""Settings say what is wrong without saying the value; logs let only allow-listed keys through."""

import json
import logging

import pytest
from handshaker_common import log, metrics
from handshaker_common.config import DatabaseSettings, RedisSettings, ServiceSettings, load


class Everything(ServiceSettings, DatabaseSettings, RedisSettings):
    pass


GOOD = {"HANDSHAKER_DATABASE_URL": "postgresql://u:hunter2@h/d", "HANDSHAKER_REDIS_URL": "redis://localhost"}


def test_good_settings_load(monkeypatch):
    for name, value in GOOD.items():
        monkeypatch.setenv(name, value)
    settings = load(Everything)
    assert settings.dsn.endswith("@h/d")
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"HANDSHAKER_REDIS_URL": None}, "HANDSHAKER_REDIS_URL: is not set."),
        ({"HANDSHAKER_DATABASE_URL": None}, "Set HANDSHAKER_DATABASE_URL_FILE or HANDSHAKER_DATABASE_URL"),
        ({"HANDSHAKER_DRAIN_SECONDS": "soon"}, "HANDSHAKER_DRAIN_SECONDS: Input should be a valid number"),
        ({"HANDSHAKER_GRPC_LISTEN": "nowhere"}, "HANDSHAKER_GRPC_LISTEN: "),
        ({"HANDSHAKER_GRPC_LISTEN": "0.0.0.0:1"}, "only with mutual TLS"),
        ({"HANDSHAKER_TLS_KEY_FILE": "/nonexistent"}, "MTLS needs all three files"),
    ],
)
def test_each_mistake_is_one_sentence(monkeypatch, capsys, changes, sentence):
    for name, value in (GOOD | changes).items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        load(Everything)
    said = capsys.readouterr().err
    assert ended.value.code == 2
    assert len(said.strip().splitlines()) == 1
    assert sentence in said
    assert "hunter2" not in said


def test_logs_drop_and_count_what_is_not_allowed(capsys):
    log.configure("auth")
    before = metrics.LOG_KEYS_DROPPED._value.get()
    log.get_logger().info("something happened", count=3, account="somebody", address="192.0.2.1")
    line = json.loads(capsys.readouterr().out)
    assert (line["event"], line["count"], line["service"]) == ("something happened", 3, "auth")
    assert "account" not in line
    assert "address" not in line
    assert metrics.LOG_KEYS_DROPPED._value.get() == before + 2


def test_libraries_are_reduced_to_name_and_place(capsys):
    log.configure("auth")
    try:
        int("192.0.2.1 said hello")
    except ValueError:
        logging.getLogger("some.library").exception("connection from %s", "192.0.2.1")
    said = capsys.readouterr().out
    assert "some.library" in said
    assert "ValueError" in said
    assert "192.0.2.1" not in said
