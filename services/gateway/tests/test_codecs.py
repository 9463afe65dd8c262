"""Bodies: every message survives the way to JSON and back; nothing hostile gets further than a clear sentence."""

import json

import pytest
from gateway_messages import messages
from handshaker_common.validation import check
from handshaker_gateway.domain import base64url, json_codec, protobuf_codec
from handshaker_gateway.domain.malformed import Malformed
from handshaker_gateway.domain.media import Media
from handshaker_gateway.domain.routes import Match, RouteTable, all_routes
from handshaker_gateway.domain.transcoding import request_message
from handshaker_proto.auth.v1 import auth_pb2
from handshaker_proto.keys.v1 import keys_pb2
from handshaker_proto.notify.v1 import notify_pb2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ROUTES = all_routes()
TABLE = RouteTable(ROUTES)
WITH_BODY = [route for route in ROUTES if route.takes_body]
quick = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def path_of(route, message):
    """The path that says what the message says."""
    names = {f"{{{field.name}}}": getattr(message, field.name) for field in route.parameters.values()}
    return "/" + "/".join(base64url.encode(names[part]) if part in names else part for part in route.segments)


def decode(route, body, media=Media.JSON, message=None):
    found = TABLE.find(route.verb, path_of(route, message or _sized(route)))
    assert isinstance(found, Match)
    return request_message(found, media, body)


def _sized(route):
    """A request whose path fields have the right size."""
    message = route.request_class()
    for field in route.parameters.values():
        setattr(message, field.name, bytes(16))
    return message


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.verb} {route.template}")
@quick
@given(data=st.data())
def test_requests_survive_both_encodings(route, data):
    message = data.draw(messages(route.request))
    written = json.dumps(json_codec.write(message)).encode()
    assert decode(route, written, Media.JSON, message) == message
    assert decode(route, message.SerializeToString(), Media.PROTOBUF, message) == message


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.verb} {route.template}")
@quick
@given(data=st.data())
def test_answers_survive_json(route, data):
    message = data.draw(messages(route.success, within_limits=False))
    written = json.loads(json.dumps(json_codec.write(message)))
    again = type(message)()
    json_codec.read(written, again)
    assert again == message
    assert all(field.name in written for field in route.success.fields if not field.has_presence)


def assert_read_or_refused(route, body, media):
    """A sentence, or a message within its limits; never another error."""
    sentence, message = None, None
    try:
        message = decode(route, body, media)
    except Malformed as malformed:
        sentence = malformed.sentence
    assert sentence.endswith(".") if message is None else check(message) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: f"{route.verb} {route.template}")
@quick
@given(data=st.data())
def test_any_json_is_read_or_refused(route, data):
    names = st.sampled_from([field.name for field in route.request.fields] or ["x"])
    value = data.draw(JSON | st.dictionaries(names | st.text(max_size=8), JSON, max_size=4))
    assert_read_or_refused(route, json.dumps(value).encode(), Media.JSON)


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda route: f"{route.verb} {route.template}")
@quick
@given(body=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(route, body):
    for media in Media:
        assert_read_or_refused(route, body, media)


SECRET = "c2VjcmV0LXNlbnRpbmVs"
REGISTER = TABLE.find("POST", "/a/v1/accounts").route
CHALLENGE = TABLE.find("POST", "/a/v1/challenges").route
PUBLISH = next(route for route in ROUTES if route.method.name == "PublishBundle")
UPLOAD = next(route for route in ROUTES if route.method.name == "UploadPreKeys")
WAKE = next(route for route in ROUTES if route.method.name == "PutWakeTarget")
GOOD = {"device_public_key": base64url.encode(bytes(32)), "proof": base64url.encode(bytes(64))}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"", "device_public_key"),
        (b"{}", "device_public_key"),
        (b"[]", "object"),
        (b"null", "object"),
        (b'"text"', "object"),
        (b"{", "JSON"),
        (b"\xff\xfe{}", "UTF-8"),
        ("{}".encode("utf-16"), "UTF-8"),
        (b"\xef\xbb\xbf{}", "JSON"),
        (b'{"proof": NaN}', "NaN"),
        (b'{"proof": -Infinity}', "NaN"),
        (b"{" * 60_000, "JSON"),
        (b'{"proof":' * 7_000, "The body"),  # how deep is too deep differs between Pythons
        (b"[" * 60_000, "The body"),
        (b'{"proof":' + b"[" * 30_000 + b"]" * 30_000 + b"}", "proof|The body is nested"),
        (b'{"proof": ' + b"9" * 5_000 + b"}", "JSON"),
        (b'{"proof": "AA", "proof": "AA"}', "twice"),
        (b'{"proof": null}', "proof"),
        (b'{"proof": 5}', "proof"),
        (b'{"proof": ["AA"]}', "proof"),
        (b'{"proof": {"a": "b"}}', "proof"),
        (b'{"proof": "=AA="}', "proof"),
        (b'{"proof": "AA=A"}', "proof"),
        (b'{"proof": "A"}', "proof"),
        (b'{"proof": "AB"}', "proof"),  # unused bits that are not zero
        (b'{"proof": "++//"}', "proof"),
        (b'{"proof": "AA AA"}', "proof"),
        (b'{"proof": "AA\\nAA"}', "proof"),
        (b'{"proof": "\\ud800"}', "proof"),
        (b'{"\\ud800": "AA"}', "unknown field"),
        (b'{"proof": "' + SECRET.encode() + b'"}', "device_public_key"),
        (json.dumps(GOOD | {"proof": SECRET}).encode(), "proof"),
        (json.dumps(GOOD | {SECRET: 1}).encode(), "unknown field"),
        (json.dumps(GOOD | {"deviceId": 1}).encode(), "unknown field"),
    ],
)
def test_hostile_json_gets_a_sentence_that_names_the_field(body, named):
    with pytest.raises(Malformed) as caught:
        decode(REGISTER, body)
    assert any(part in caught.value.sentence for part in named.split("|"))
    assert SECRET not in caught.value.sentence
    assert len(caught.value.sentence) < 200


def test_padding_is_read():
    padded = {"device_public_key": base64url.encode(bytes(32)) + "=", "proof": base64url.encode(bytes(64)) + "=="}
    assert decode(REGISTER, json.dumps(padded).encode()) == decode(REGISTER, json.dumps(GOOD).encode())


@pytest.mark.parametrize("given", ["MAILBOX", 2, 2.0])
def test_enums_by_name_and_number(given):
    if isinstance(given, float):
        with pytest.raises(Malformed):
            decode(CHALLENGE, json.dumps({"purpose": given}).encode())
    else:
        assert decode(CHALLENGE, json.dumps({"purpose": given}).encode()).purpose == 2


@pytest.mark.parametrize("given", ["FREE", 0, 6, -1, 99, "mailbox", "", True, None, [2], {"MAILBOX": 1}])
def test_enums_that_are_not_there(given):
    with pytest.raises(Malformed, match="purpose"):
        decode(CHALLENGE, json.dumps({"purpose": given}).encode())


@pytest.mark.parametrize("given", [0, 2**64 - 1, str(2**64 - 1), "0", 5.0, 1e3])
def test_integers(given):
    message = notify_pb2.PutWakeTargetRequest()
    json_codec.read({"revision": given}, message)
    assert message.revision == int(given)
    assert json_codec.write(message)["revision"] == str(int(given))


@pytest.mark.parametrize(
    "given",
    [-1, 2**64, str(2**64), "-1", "1.0", "0x1", "1e3", "", " 1", "\u0661", "1" * 30, 1.5, 1e300, float("inf"), True],
)
def test_integers_that_are_not(given):
    with pytest.raises(Malformed, match="revision"):
        json_codec.read({"revision": given}, notify_pb2.PutWakeTargetRequest())


def test_texts_are_no_integers_of_32_bits():
    with pytest.raises(Malformed, match=r"one_time_prekeys\[0\]\.key_id"):
        decode(UPLOAD, b'{"one_time_prekeys": [{"key_id": "7"}]}')


def test_errors_name_the_way_to_a_nested_field():
    body = {"base": {"suite": 1, "signed_prekey": {"key_id": 1, "public_key": "AA"}}}
    with pytest.raises(Malformed, match=r"base\.identity_key|base\.signed_prekey\.public_key"):
        decode(PUBLISH, json.dumps(body).encode())
    with pytest.raises(Malformed, match=r"base\.signed_prekey has an unknown field; known are: key_id, "):
        decode(PUBLISH, json.dumps({"base": {"signed_prekey": {"key": 1}}}).encode())
    with pytest.raises(Malformed, match=r"base must be an object"):
        decode(PUBLISH, b'{"base": []}')
    with pytest.raises(Malformed, match=r"one_time_prekeys must be a list"):
        decode(UPLOAD, b'{"one_time_prekeys": {}}')


def test_too_many_items():
    key = {"key_id": 1, "public_key": base64url.encode(bytes(32))}
    decode(UPLOAD, json.dumps({"one_time_prekeys": [key] * 100}).encode())
    with pytest.raises(Malformed, match="one_time_prekeys may have 100"):
        decode(UPLOAD, json.dumps({"one_time_prekeys": [key] * 101}).encode())


def test_path_and_body_must_agree():
    same = decode(UPLOAD, json.dumps({"bundle_id": base64url.encode(bytes(16))}).encode())
    assert same.bundle_id == bytes(16)
    for media, body in (
        (Media.JSON, json.dumps({"bundle_id": base64url.encode(b"x" * 16)}).encode()),
        (Media.PROTOBUF, keys_pb2.UploadPreKeysRequest(bundle_id=b"x" * 16).SerializeToString()),
    ):
        with pytest.raises(Malformed, match="bundle_id says one thing"):
            decode(UPLOAD, body, media)


@pytest.mark.parametrize("text", ["AAAA", "A" * 100, "%41" * 22, "..", "!", "A" * 21 + "="])
def test_bad_path_parameters(text):
    found = TABLE.find("POST", f"/a/v1/bundles/{text}")
    with pytest.raises(Malformed, match="bundle_id"):
        request_message(found, None, b"")


def test_unknown_fields_in_protobuf_are_refused():
    good = auth_pb2.RegisterRequest(device_public_key=bytes(32), proof=bytes(64)).SerializeToString()
    assert decode(REGISTER, good, Media.PROTOBUF).proof == bytes(64)
    with pytest.raises(Malformed, match="unknown field"):
        decode(REGISTER, good + b"\xa0\x06\x01", Media.PROTOBUF)
    nested = keys_pb2.UploadPreKeysRequest(one_time_prekeys=[{"key_id": 1, "public_key": bytes(32)}])
    data = nested.SerializeToString()
    decode(UPLOAD, data, Media.PROTOBUF)
    inner = nested.one_time_prekeys[0].SerializeToString() + b"\xa0\x06\x01"
    with pytest.raises(Malformed, match=r"one_time_prekeys\[0\] has an unknown field"):
        decode(UPLOAD, b"\x12" + bytes([len(inner)]) + inner, Media.PROTOBUF)
    with pytest.raises(Malformed, match="purpose"):
        decode(CHALLENGE, b"\x08\x63", Media.PROTOBUF)
    with pytest.raises(Malformed, match="RegisterRequest"):
        decode(REGISTER, b"\xff\xff\xff", Media.PROTOBUF)


@given(st.binary(max_size=100))
def test_base64url_has_one_spelling(data):
    text = base64url.encode(data)
    assert base64url.decode(text) == data
    assert base64url.decode(text + "=" * (-len(text) % 4)) == data


@given(st.text(alphabet="ABCabc019-_+/= \n", max_size=12))
def test_base64url_reads_nothing_else(text):
    data = base64url.decode(text)
    if data is not None:
        assert base64url.encode(data) == text.rstrip("=")
        assert text == text.rstrip("=") or len(text) % 4 == 0


def test_one_arm_of_a_oneof_only():
    target = notify_pb2.WakeTarget()
    json_codec.read({"mqtt": {"topic_key": base64url.encode(bytes(32))}}, target)
    assert target.WhichOneof("transport") == "mqtt"
    answer = auth_pb2.RegisterResponse()
    with pytest.raises(Malformed, match="excludes"):
        json_codec.read({"bad_proof": {}, "already_registered": {}}, answer)


def test_protobuf_reader_takes_an_empty_message():
    message = auth_pb2.GetAccountRequest()
    protobuf_codec.read(b"", message)
    assert message == auth_pb2.GetAccountRequest()
