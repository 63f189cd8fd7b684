"""The fakes of the calling services are as strict as the services: official clients (botocore, the
twilio package) are accepted, and wrong signatures, wrong bodies and too many requests are not."""

import http.server
import json
import threading
import urllib.error
import urllib.parse
import urllib.request

import pytest

pytest.importorskip("twilio")

from harness.fake_connect import FakeConnect  # noqa: E402
from harness.fake_twilio import FakeTwilio, signature  # noqa: E402
from harness.ports import wait_until  # noqa: E402

import botocore.session  # noqa: E402  (FakeConnect has put its place into sys.path)
from botocore.config import Config  # noqa: E402
from botocore.exceptions import ClientError  # noqa: E402
from twilio.base.exceptions import TwilioRestException  # noqa: E402
from twilio.http.http_client import TwilioHttpClient  # noqa: E402
from twilio.request_validator import RequestValidator  # noqa: E402
from twilio.rest import Client as TwilioClient  # noqa: E402

pytestmark = [pytest.mark.no_minato, pytest.mark.slow]  # of the harness, not of Minato

PERSON = "+819000000001"
PACE = 0.05


@pytest.fixture
def connect():
    with FakeConnect(pace=PACE) as fake:
        yield fake


@pytest.fixture
def twilio():
    with FakeTwilio(pace=PACE, api_keys=[("SK" + "1" * 32, "key-secret")]) as fake:
        yield fake


def client(fake, secret=None, validate=True):
    return botocore.session.get_session().create_client(
        "connect",
        region_name=fake.region,
        endpoint_url=fake.url,
        aws_access_key_id=fake.credentials.access_key,
        aws_secret_access_key=secret or fake.credentials.secret_key,
        config=Config(retries={"total_max_attempts": 1}, parameter_validation=validate),
    )


def start(fake, **more):
    parameters = {
        "DestinationPhoneNumber": PERSON,
        "ContactFlowId": fake.contact_flow_id,
        "InstanceId": fake.instance_id,
        "SourcePhoneNumber": fake.source,
        "Attributes": {"ssml": "<speak>基盤 &amp; more</speak>"},
    }
    validate = more.pop("validate", True)
    secret = more.pop("secret", None)
    return client(fake, secret, validate).start_outbound_voice_contact(**{**parameters, **more})


def code(refused):
    return refused.value.response["ResponseMetadata"]["HTTPStatusCode"]


def describe(fake, contact):
    answer = client(fake).describe_contact(InstanceId=fake.instance_id, ContactId=contact)
    return answer["Contact"]


def test_connect_calls_a_person_who_presses_a_key(connect):
    connect.persons[PERSON] = {"does": "answer", "after": 1, "keys": [(2, "9"), (6, "1")]}
    contact = start(connect, ClientToken="a-1", RingTimeoutInSeconds=20)["ContactId"]
    assert start(connect, ClientToken="a-1")["ContactId"] == contact
    wait_until(lambda: connect.contacts[contact].disconnected, 10)
    told = describe(connect, contact)
    assert told["DisconnectReason"] == "CONTACT_FLOW_DISCONNECT" and "基盤 & more" in str(
        connect.contacts[contact].spoken
    )
    attributes = client(connect).get_contact_attributes(
        InstanceId=connect.instance_id, InitialContactId=contact
    )["Attributes"]
    assert (attributes["keys"], attributes["repeated"]) == ("1", "9")
    assert len(connect.calls_to(PERSON)) == 1


@pytest.mark.parametrize(
    "does,reason",
    [
        ("no_answer", "TELECOM_TIMEOUT"),
        ("busy", "TELECOM_BUSY"),
        ("invalid", "TELECOM_NUMBER_INVALID"),
    ],
)
def test_connect_persons_who_do_not_answer(connect, does, reason):
    connect.persons[PERSON] = {"does": does}
    contact = start(connect, RingTimeoutInSeconds=15)["ContactId"]
    wait_until(lambda: connect.contacts[contact].disconnected, 10)
    told = describe(connect, contact)
    assert told["DisconnectReason"] == reason and "ConnectedToSystemTimestamp" not in told


def test_connect_refuses_wrong_signatures(connect):
    with pytest.raises(ClientError) as refused:
        start(connect, secret="another")
    assert code(refused) == 403 and "InvalidSignature" in str(refused.value)
    connect.clock_offset_s = 3600
    with pytest.raises(ClientError) as refused:
        start(connect)
    assert "Signature expired" in str(refused.value)
    connect.clock_offset_s = 0
    # One byte of the body differs from what was signed.
    sent = {}

    def spoil(request, **_):
        sent["url"] = request.url
        request.body = request.body.replace(b"more", b"less")

    tampered = client(connect)
    tampered.meta.events.register("before-send.connect.StartOutboundVoiceContact", spoil)
    with pytest.raises(ClientError) as refused:
        tampered.start_outbound_voice_contact(
            DestinationPhoneNumber=PERSON,
            ContactFlowId=connect.contact_flow_id,
            InstanceId=connect.instance_id,
            SourcePhoneNumber=connect.source,
            Attributes={"ssml": "more"},
        )
    assert sent and "InvalidSignature" in str(refused.value)
    assert not connect.contacts


@pytest.mark.parametrize(
    "wrong",
    [
        {"RingTimeoutInSeconds": 10},
        {"RingTimeoutInSeconds": 61},
        {"DestinationPhoneNumber": "09012345678"},
        {"SourcePhoneNumber": "+815099999999"},
        {"Attributes": {"a b": "x"}},
        {"Attributes": {"a": "x" * 16_500, "b": "基" * 5_500}},
        {"TrafficType": "OTHER"},
        {"ClientToken": "x" * 501},
        {"Name": "x" * 1025},
    ],
)
def test_connect_refuses_wrong_bodies(connect, wrong):
    with pytest.raises(ClientError) as refused:
        start(connect, validate=False, **wrong)
    assert code(refused) == 400 and not connect.contacts


def test_connect_refuses_too_many_requests(connect):
    connect.persons[PERSON] = {"does": "answer", "after": 30}
    contact = start(connect)["ContactId"]
    asked = client(connect)

    def ask():
        try:
            asked.describe_contact(InstanceId=connect.instance_id, ContactId=contact)
            return 200
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"]

    codes = [ask() for _ in range(9)]
    assert codes[:5] == [200] * 5 and 429 in codes[5:]
    # Another API has a quota of its own.
    client(connect).stop_contact(ContactId=contact, InstanceId=connect.instance_id)
    with pytest.raises(ClientError) as refused:
        client(connect).stop_contact(ContactId=contact, InstanceId=connect.instance_id)
    assert code(refused) == 410


def test_connect_finds_what_is_wrong_with_a_flow(connect):
    good = json.loads(connect.flows[connect.contact_flow_id]["Content"])
    asked = client(connect)

    def create(name, flow):
        return asked.create_contact_flow(
            InstanceId=connect.instance_id,
            Name=name,
            Type="CONTACT_FLOW",
            Content=json.dumps(flow),
        )["ContactFlowId"]

    assert create("new", good) in connect.flows
    with pytest.raises(ClientError) as refused:
        create("new", good)
    assert "Duplicate" in str(refused.value)
    good["Actions"][1]["Transitions"]["NextAction"] = "nowhere"
    with pytest.raises(ClientError) as refused:
        create("bad", good)
    assert code(refused) == 400 and "nowhere" in str(refused.value.response)


# -- Twilio ----------------------------------------------------------------------------------


class App:
    """The side that Twilio reaches: answers with TwiML and keeps what came."""

    def __init__(self, twiml):
        self.came = came = []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                fields = urllib.parse.parse_qsl(body, keep_blank_values=True)
                came.append((self.path, fields, self.headers["X-Twilio-Signature"]))
                answer = twiml(self.path, dict(fields)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture
def app():
    def twiml(path, fields):
        if path.startswith("/status"):
            return ""
        if fields.get("Digits"):
            return "<Response><Hangup/></Response>"
        if "later" not in path:
            return (
                '<Response><Pause length="1"/><Redirect>/voice?a=1&amp;later</Redirect></Response>'
            )
        return (
            '<Response><Gather input="dtmf" numDigits="1" timeout="5" actionOnEmptyResult="true" '
            'action="/voice?a=1&amp;later"><Say language="ja-JP">基盤 &amp; more</Say></Gather>'
            "</Response>"
        )

    made = App(twiml)
    yield made
    made.server.shutdown()


def post(fake, path, fields, user=None, password=None):
    request = urllib.request.Request(
        f"{fake.url}/2010-04-01/Accounts/{fake.account_sid}{path}",
        data=urllib.parse.urlencode(fields, doseq=True).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    import base64

    plain = f"{user or fake.account_sid}:{password or fake.auth_token}"
    request.add_header("Authorization", "Basic " + base64.b64encode(plain.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def call(fake, app, **more):
    fields = {
        "To": PERSON,
        "From": "+815012345678",
        "Url": app.url + "/voice?a=1",
        "StatusCallback": app.url + "/status?a=1",
        "StatusCallbackEvent": ["initiated", "ringing", "answered", "completed"],
    }
    return post(fake, "/Calls.json", {**fields, **more})


def test_twilio_calls_a_person_and_its_webhooks_are_signed(twilio, app):
    twilio.persons[PERSON] = {"does": "answer", "after": 1, "keys": [(4, "1")]}
    status, made = call(twilio, app)
    assert status == 201 and made["status"] == "queued" and made["sid"].startswith("CA")
    wait_until(lambda: any(dict(f)["CallStatus"] == "completed" for _, f, _ in app.came), 10)
    assert any(dict(fields).get("Digits") == "1" for _, fields, _ in app.came)
    assert "基盤 & more" in twilio.calls[made["sid"]].spoken
    states = [dict(f)["CallStatus"] for path, f, _ in app.came if path.startswith("/status")]
    assert states == ["queued", "ringing", "in-progress", "completed"]
    # Twilio's own library believes each of them, and none that was changed.
    validator = RequestValidator(twilio.auth_token)
    for path, fields, signed in app.came:
        assert validator.validate(app.url + path, dict(fields), signed)
        assert not validator.validate(app.url + path, {**dict(fields), "Digits": "2"}, signed)
    assert signature("t", "https://a/b?c=d", [("B", "2"), ("A", "1")]) == RequestValidator(
        "t"
    ).compute_signature("https://a/b?c=d", {"A": "1", "B": "2"})


@pytest.mark.parametrize(
    "does,status,sip",
    [("busy", "busy", "486"), ("switched_off", "failed", "480"), ("no_answer", "no-answer", "487")],
)
def test_twilio_persons_who_do_not_answer(twilio, app, does, status, sip):
    twilio.persons[PERSON] = {"does": does}
    assert call(twilio, app, Timeout=5)[0] == 201
    wait_until(lambda: any(dict(f).get("SipResponseCode") == sip for _, f, _ in app.came), 10)
    assert twilio.calls_to(PERSON)[0].status == status


@pytest.mark.parametrize(
    "wrong,code",
    [
        ({"To": "090"}, 21211),
        ({"From": "+815099999999"}, 21210),
        ({"Url": "nonsense"}, 21205),
        ({"StatusCallbackEvent": "sometimes"}, 21626),
        ({"Unknown": "1"}, 20001),
        ({"Timeout": "601"}, 21202),
    ],
)
def test_twilio_refuses_wrong_forms(twilio, app, wrong, code):
    status, answer = call(twilio, app, **wrong)
    assert (status, answer["code"]) == (400, code) and not twilio.calls


def test_twilio_wants_its_password_and_ends_calls(twilio, app):
    assert post(twilio, "/Calls.json", {}, password="wrong")[0] == 401
    twilio.persons[PERSON] = {"does": "answer", "after": 40}
    made = call(twilio, app)[1]
    path = f"/Calls/{made['sid']}.json"
    key = ("SK" + "1" * 32, "key-secret")
    assert post(twilio, path, {"Status": "canceled"}, *key)[1]["status"] == "canceled"
    assert post(twilio, path, {"Status": "completed"})[1]["code"] == 21220


def test_an_answer_that_is_lost_was_acted_upon(connect):
    connect.fail_next("StartOutboundVoiceContact", "lose")
    with pytest.raises(Exception):
        start(connect, ClientToken="a-2")
    wait_until(lambda: len(connect.contacts) == 1, 5, what="the contact")
    assert start(connect, ClientToken="a-2")["ContactId"] in connect.contacts
    assert len(connect.contacts) == 1


class Here(TwilioHttpClient):
    """Twilio's own client, led to the fake."""

    def __init__(self, fake):
        super().__init__()
        self.fake = fake

    def request(self, method, url, *positional, **named):
        url = url.replace("https://api.twilio.com", self.fake.url)
        return super().request(method, url, *positional, **named)


def test_twilios_own_client_is_served(twilio, app):
    official = TwilioClient(twilio.account_sid, twilio.auth_token, http_client=Here(twilio))
    twilio.persons[PERSON] = {"does": "answer", "after": 40}
    made = official.calls.create(to=PERSON, from_="+815012345678", url=app.url + "/voice?a=1")
    assert official.calls(made.sid).fetch().status in ("queued", "ringing")
    assert [each.sid for each in official.calls.list(to=PERSON, limit=5)] == [made.sid]
    assert official.calls(made.sid).update(status="completed").status == "canceled"
    wrong = TwilioClient(twilio.account_sid, "wrong", http_client=Here(twilio))
    with pytest.raises(TwilioRestException) as refused:
        wrong.calls.create(to=PERSON, from_="+815012345678", url=app.url + "/voice?a=1")
    assert refused.value.code == 20003
