"""Results and arguments survive the way through JSON, and nothing else gets in."""

import dataclasses
import json
from datetime import UTC, datetime

import pytest
from handshaker_cli.codec import Malformed, decode, encode
from handshaker_cli.operations.results import Message, from_object, to_object
from hypothesis import given
from hypothesis import strategies as st


@dataclasses.dataclass(frozen=True)
class Sample:
    text: str
    number: int
    share: float | None
    flag: bool
    at: datetime | None = None


moments = st.datetimes(timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
samples = st.builds(
    Sample,
    text=st.text(),
    number=st.integers(-(2**53), 2**53),
    share=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
    at=st.none() | moments,
)


@given(samples)
def test_what_is_encoded_is_decoded_again(sample: Sample):
    assert decode(Sample, json.loads(json.dumps(encode(sample)))) == sample


GOOD = {"text": "a", "number": 1, "share": 0.5, "flag": True}


def test_good_arguments_are_taken_and_defaults_filled_in():
    assert decode(Sample, GOOD) == Sample("a", 1, 0.5, True, None)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"number": "1"}, "'number' must be of type int."),
        ({"number": True}, "'number' must be of type int."),
        ({"flag": 1}, "'flag' must be of type bool."),
        ({"text": None}, "'text' must be of type str."),
        ({"share": "0.5"}, "'share' must be of type float."),
        ({"text": ["a"]}, "'text' must be of type str."),
        ({"at": "yesterday"}, "'at' must be a time like 2027-01-31T18:30:00.000Z."),
        ({"extra": 1}, "There is no 'extra' here."),
    ],
)
def test_anything_else_is_refused_with_a_sentence(change, sentence):
    with pytest.raises(Malformed) as caught:
        decode(Sample, GOOD | change)
    assert str(caught.value) == sentence


def test_a_missing_field_is_named():
    with pytest.raises(Malformed, match="'flag' is missing"):
        decode(Sample, {key: value for key, value in GOOD.items() if key != "flag"})


def test_a_result_carries_its_type_first_and_times_in_utc():
    at = datetime(2027, 1, 31, 18, 30, 0, 123000, tzinfo=UTC)
    message = Message(7, "incoming", "received", 1, "Alice", "hi", at)
    written = to_object(message)
    assert next(iter(written)) == "type"
    assert written["at"] == "2027-01-31T18:30:00.123Z"
    assert from_object(written) == message


def test_an_object_of_no_known_type_is_no_result():
    with pytest.raises(Malformed):
        from_object({"type": "surprise"})
