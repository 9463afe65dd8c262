"""Usage: generator [--check]. Writes the JSON files into the folder above, or says which differ from it."""

import argparse
import json
import sys
from pathlib import Path

from generator import addresses, foundations, groups, ratchets, sessions, stores
from generator.fixed import Kept, Maker, repeatable

FOLDER = Path(__file__).resolve().parents[1]

KEPT = Kept(Path(__file__).with_name("kept.json"))

FILES: dict[str, Maker] = {
    "curve": foundations.curve,
    "labels": foundations.labels,
    "root": foundations.root,
    "padding": foundations.padding,
    "chains": foundations.chains,
    "contact-address": addresses.contact_address,
    "username": addresses.username,
    "safety-number": addresses.safety_numbers,
    "devices": addresses.devices,
    "pqxdh": sessions.agreement,
    "conversation": sessions.conversation,
    "live-session": sessions.live_session,
    "post-quantum-ratchet": ratchets.post_quantum,
    "group-log": groups.log,
    "sender-key": groups.sender_key,
    "linking": stores.linking,
    "vault": lambda: stores.key_file(KEPT),
    "backup": stores.backup_file,
    "openpgp": stores.openpgp,
}


def main() -> int:
    """Returns 1 if `--check` found a difference."""
    parser = argparse.ArgumentParser(
        prog="./dev vectors", description="Write the protocol's test vectors into docs/protocol/vectors."
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail if a file is not what would be written"
    )
    check = parser.parse_args().check
    with repeatable(KEPT):
        different = [name for name, path in _paths().items() if not _current(name, path, check=check)]
    if not check:
        KEPT.write()
    if {path.stem for path in FOLDER.glob("*.json")} != set(FILES):
        print("There is a JSON file in docs/protocol/vectors that nothing makes, or one is missing.", file=sys.stderr)
        return 1
    if check and different:
        print(f"Not what ./dev vectors would write: {', '.join(different)}", file=sys.stderr)
        return 1
    print(f"{len(FILES)} files, {len(different)} {'changed' if different else 'changes'}")
    return 0


def _paths() -> dict[str, Path]:
    return {name: FOLDER / f"{name}.json" for name in FILES}


def _current(name: str, path: Path, *, check: bool) -> bool:
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    after = json.dumps(FILES[name](), indent=1, ensure_ascii=True) + "\n"
    if not check and after != before:
        path.write_text(after, encoding="utf-8")
    return after == before


if __name__ == "__main__":
    sys.exit(main())
