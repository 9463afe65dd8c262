"""The probe that `helm test` runs: it asks real services and says what they say."""

import pytest
from handshaker_common import probe
from handshaker_common.config import ServiceSettings
from handshaker_common.server import Service
from handshaker_common.testing import free_port


async def test_it_says_what_each_service_says():
    async with Service("auth", ServiceSettings(health_listen="127.0.0.1:0")) as service:
        await service.start()
        address = f"127.0.0.1:{service.more_ports['health']}"
        assert await probe.ask_all({"auth": address}) == {"auth": "SERVING"}
        await service.drain()
        assert await probe.ask_all({"auth": address}) == {"auth": "NOT_SERVING"}


def test_nobody_there_is_a_failure_with_a_line_of_its_own(capsys, monkeypatch):
    monkeypatch.setattr(probe, "SECONDS", 0.3)
    assert probe.main([f"keys=127.0.0.1:{free_port()}"]) == 1
    assert capsys.readouterr().out.startswith("keys         no answer (")


@pytest.mark.parametrize("arguments", [[], ["auth"], ["=127.0.0.1:1"], ["auth=nowhere"]])
def test_wrong_arguments_are_explained(arguments, capsys):
    assert probe.main(arguments) == 2
    assert "usage:" in capsys.readouterr().err
