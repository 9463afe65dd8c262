"""What one device knows of a group: its log, and the device lists of the members."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from handshaker_core.protocol.device import DeviceList
from handshaker_core.protocol.groups.errors import RevokedDevice
from handshaker_core.protocol.groups.ids import GroupDevice
from handshaker_core.protocol.groups.log import GroupLog
from handshaker_core.protocol.groups.membership import MembershipState
from handshaker_core.protocol.keys import IdentityPublicKey


@dataclass(frozen=True)
class GroupView:
    """The membership as this device sees it now. Sending and receiving are decided on nothing else.

    Attributes:
        own: this device.
        log: of the group.
        device_lists: the newest list of each person that this device holds; one on record in the log counts if it is
            newer.
    """

    own: GroupDevice
    log: GroupLog
    device_lists: Mapping[IdentityPublicKey, DeviceList] = field(default_factory=dict, repr=False)

    def devices_of(self, person: IdentityPublicKey) -> DeviceList | None:
        """The newest list of a member; None as long as none is known. Raises: NotAMember, GroupForked."""
        on_record = self.log.state.member(person).devices
        held = self.device_lists.get(person)
        if held is None or (on_record is not None and on_record.sequence > held.sequence):
            return on_record
        return held

    def check_member(self, device: GroupDevice) -> MembershipState:
        """The state in force, in which the device belongs to a member.

        Raises:
            NotAMember, RevokedDevice: it does not. A person whose device list is not known has no devices.
            MissingEntries, GroupForked: there is no state in force.
        """
        state = self.log.state
        devices = self.devices_of(device.identity)
        certificate = None if devices is None else devices.find(device.device_id)
        if certificate is None or GroupDevice.of(certificate) != device:
            raise RevokedDevice
        return state

    @cached_property
    def readers(self) -> frozenset[GroupDevice]:
        """Every device that has to hold this device's sender key: of all members, the own other ones included."""
        lists = (self.devices_of(person) for person in self.log.state.members)
        certificates = (certificate for found in lists if found is not None for certificate in found.certificates)
        return frozenset(GroupDevice.of(certificate) for certificate in certificates) - {self.own}

    @property
    def without_devices(self) -> frozenset[IdentityPublicKey]:
        """Members whose device list has to be fetched before they can read anything."""
        return frozenset(person for person in self.log.state.members if self.devices_of(person) is None)
