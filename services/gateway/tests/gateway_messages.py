"""Hypothesis strategies for any message of the protocol, from its descriptor."""

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from handshaker_gateway.domain.json_codec import INTEGERS, enum_of
from handshaker_proto.rules import field_rule
from hypothesis import strategies as st


def messages(descriptor, *, within_limits=True):
    """Messages whose fields keep their limits, or any at all."""

    @st.composite
    def build(draw):
        message = GetMessageClass(descriptor)()
        alone = {oneof.name: draw(st.sampled_from([None, *oneof.fields])) for oneof in descriptor.oneofs}
        for field in descriptor.fields:
            oneof = field.containing_oneof
            if oneof is not None and alone[oneof.name] is not field:
                continue
            _fill(draw, message, field, within_limits=within_limits)
        return message

    return build()


def _fill(draw, message, field, *, within_limits):
    rule = field_rule(field)
    one = _one(field, within_limits=within_limits)
    if field.is_repeated:
        items = draw(st.lists(one, max_size=min(rule.max_items or 4, 4)))
        getattr(message, field.name).extend(items)
    elif field.message_type is not None:
        if draw(st.booleans()) or field.containing_oneof is not None:
            getattr(message, field.name).CopyFrom(draw(one))
            getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, draw(one))


def _one(field, *, within_limits):
    rule = field_rule(field)
    if field.message_type is not None:
        return messages(field.message_type, within_limits=within_limits)
    if field.type == FieldDescriptor.TYPE_BYTES:
        if not within_limits:
            return st.binary(max_size=40)
        if rule.size:
            exact = st.binary(min_size=rule.size, max_size=rule.size)
            return exact | st.just(b"") if rule.optional else exact
        return st.binary(max_size=min(rule.max_size or 40, 40))
    if field.type == FieldDescriptor.TYPE_STRING:
        return st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return st.booleans()
    least, most = INTEGERS.get(field.type, (0, 0))
    if within_limits and rule.HasField("range"):
        least, most = rule.range.min, rule.range.max
    if field.type == FieldDescriptor.TYPE_ENUM:
        numbers = [value.number for value in enum_of(field).values]
        kept = [n for n in numbers if not (within_limits and rule.HasField("range")) or least <= n <= most]
        return st.sampled_from(kept)
    return st.integers(least, most)
