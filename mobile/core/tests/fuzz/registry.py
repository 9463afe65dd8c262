"""All targets. A reader of bytes that no target covers stands in `NOT_TARGETS` with the reason, or a test fails."""

from . import targets_network, targets_openpgp, targets_people, targets_stored
from .target import Target

TARGETS: dict[str, Target] = {
    target.name: target
    for targets in (targets_people.TARGETS, targets_stored.TARGETS, targets_network.TARGETS, targets_openpgp.TARGETS)
    for target in targets
}

NOT_TARGETS: dict[str, str] = {}
