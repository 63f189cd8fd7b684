"""A strict fake of Amazon Connect's API: verifies each signature with botocore's own code, each
body against Connect's published model, the quotas (2 requests a second, burst 5, per API) and the
state rules; runs the contact flow that was installed, with persons who do what a script says."""

import datetime
import email.utils
import json
import pathlib
import re
import sys
import threading
import time
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / ".deps" / "python"))
import botocore.session  # noqa: E402
from botocore.auth import SigV4Auth  # noqa: E402
from botocore.awsrequest import AWSRequest  # noqa: E402
from botocore.credentials import Credentials  # noqa: E402
from botocore.validate import ParamValidator  # noqa: E402

from .connect_flow import Flow, FlowProblem  # noqa: E402
from .fake_http import FakeServer, Refused  # noqa: E402

PHONE = re.compile(r"\+[1-9]\d{1,14}")
RATE, BURST = 2.0, 5
ATTRIBUTES_MAX = 32_768


class Bucket:
    def __init__(self):
        self.tokens, self.at = float(BURST), time.monotonic()

    def take(self):
        now = time.monotonic()
        self.tokens = min(BURST, self.tokens + (now - self.at) * RATE)
        self.at = now
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True


class Contact:
    def __init__(self, fake, request):
        self.id = str(uuid.uuid4())
        self.phone = request["DestinationPhoneNumber"]
        self.token = request.get("ClientToken")
        self.ring = request.get("RingTimeoutInSeconds", 60)
        self.attributes = dict(request.get("Attributes", {}))
        self.flow = fake.flows[request["ContactFlowId"]]["flow"]
        self.initiated = time.time()
        self.connected = self.disconnected = self.reason = None
        self.stopped = threading.Event()
        self.spoken = []  # what was read aloud, in order

    def end(self, reason):
        if self.disconnected is None:
            self.disconnected, self.reason = time.time(), reason
        self.stopped.set()


class FakeConnect(FakeServer):
    """`persons[phone]` is a script: {"does": "answer" | "no_answer" | "busy" | "reject" |
    "invalid" | "not_allowed" | "blocked", "after": seconds until it answers, "keys": [(seconds
    after the answer, key), …]}. Voicemail answers and presses nothing. Unknown numbers do not
    answer. `pace` shortens what lasts in the call (ringing, speaking, waiting for a key)."""

    def __init__(
        self,
        region="ap-northeast-1",
        access_key="AKIDFAKECONNECT",
        secret_key="fake/connect+secret",
        session_token=None,
        source="+815012345678",
        port=0,
        pace=1.0,
    ):
        super().__init__(port)
        self.region, self.source, self.pace = region, source, pace
        self.session_token = session_token
        self.credentials = Credentials(access_key, secret_key, session_token)
        self.instance_id = str(uuid.uuid4())
        self.model = botocore.session.get_session().get_service_model("connect")
        self.flows, self.persons = {}, {}
        self.contacts, self.tokens = {}, {}
        self.buckets = {}
        self.speech_seconds = 3.0
        self.page_size = 100
        self.clock_offset_s = 0  # of the service's clock
        self.contact_flow_id = self.add_flow("built in", Flow.built_in())
        self.routes = []
        for name in self.model.operation_names:
            operation = self.model.operation_model(name)
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", operation.http["requestUri"])
            self.routes.append((operation.http["method"], re.compile(pattern), operation))

    # -- for tests ---------------------------------------------------------------------------

    def add_flow(self, name, content):
        flow_id = str(uuid.uuid4())
        self.flows[flow_id] = {
            "Name": name,
            "flow": Flow(content),
            "State": "ACTIVE",
            "Content": content,
        }
        return flow_id

    def calls_to(self, phone):
        with self.lock:
            return [c for c in self.contacts.values() if c.phone == phone]

    # -- the server --------------------------------------------------------------------------

    def route(self, request):
        for method, pattern, operation in self.routes:
            match = pattern.fullmatch(request["path"])
            if match and method == request["method"]:
                uri = {name: urllib.parse.unquote(v) for name, v in match.groupdict().items()}
                return operation, uri
        return None, {}

    def api_of(self, request):
        operation, _ = self.route(request)
        return operation.name if operation else None

    def refuse(self, status, kind, message, **more):
        body = json.dumps({"Message": message, **more} if message else more).encode()
        raise Refused(status, self.headers(kind), body)

    def headers(self, kind=None):
        now = time.time() + self.clock_offset_s
        headers = {"Content-Type": "application/json", "x-amzn-RequestId": str(uuid.uuid4())}
        headers["Date"] = email.utils.formatdate(now, usegmt=True)
        return {**headers, "x-amzn-ErrorType": kind} if kind else headers

    def error(self, status):
        kind = {429: "TooManyRequestsException", 500: "InternalServiceException"}
        body = json.dumps({"Message": "ordered by the test"}).encode()
        return status, self.headers(kind.get(status, "InternalServiceException")), body

    def handle(self, request):
        operation, uri = self.route(request)
        self.check_signature(request)
        if operation is None:
            self.refuse(404, "UnknownOperationException", "no such API")
        parameters = self.parameters(operation, uri, request)
        with self.lock:
            if not self.buckets.setdefault(operation.name, Bucket()).take():
                self.refuse(429, "TooManyRequestsException", "Rate exceeded")
            do = getattr(self, "do_" + operation.name, None)
            if do is None:
                self.refuse(500, "InternalServiceException", operation.name + " is not faked")
            if parameters["InstanceId"] != self.instance_id:
                self.refuse(404, "ResourceNotFoundException", "Instance not found")
            answer = do(parameters)
        return 200, self.headers(), json.dumps(answer).encode()

    def check_signature(self, request):
        headers = {name.lower(): value for name, value in request["headers"].items()}
        form = re.fullmatch(
            r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/connect/aws4_request, "
            r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})",
            headers.get("authorization", ""),
        )
        if not form or form[3] != self.region:
            self.refuse(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        signed = form[4].split(";")
        wanted = {"host", "x-amz-date"} | {name for name in headers if name.startswith("x-amz-")}
        if "content-type" in headers:
            wanted.add("content-type")
        if signed != sorted(signed) or not wanted <= set(signed) or not set(signed) <= set(headers):
            self.refuse(403, "InvalidSignatureException", f"SignedHeaders {signed}")
        if form[1] != self.credentials.access_key:
            self.refuse(403, "UnrecognizedClientException", "The security token is invalid.")
        if headers.get("x-amz-security-token") != self.session_token:
            self.refuse(403, "UnrecognizedClientException", "The security token is invalid.")
        stamp = headers["x-amz-date"]
        url = f"http://{headers['host']}{request['path']}"
        url += "?" + request["query"] if request["query"] else ""
        again = AWSRequest(
            method=request["method"],
            url=url,
            headers={name: headers[name] for name in signed},
            data=request["body"],
        )
        again.context["timestamp"] = stamp
        signer = SigV4Auth(self.credentials, "connect", self.region)
        text = signer.string_to_sign(again, signer.canonical_request(again))
        if signer.signature(text, again) != form[5] or form[2] != stamp[:8]:
            self.refuse(
                403,
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided.",
            )
        sent = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ")
        now = time.time() + self.clock_offset_s
        if abs(sent.replace(tzinfo=datetime.timezone.utc).timestamp() - now) > 300:
            self.refuse(403, "InvalidSignatureException", "Signature expired: " + stamp)

    def parameters(self, operation, uri, request):
        """URI, query and body as one dictionary that fits the model exactly."""
        shape = operation.input_shape
        values = dict(uri)
        in_query = {}
        for name, member in shape.members.items():
            if member.serialization.get("location") == "querystring":
                in_query[member.serialization["name"]] = (name, member)
        for key, value in urllib.parse.parse_qsl(request["query"], True):
            name, member = in_query.get(key, (key, None))
            if member is not None and member.type_name == "list":
                values.setdefault(name, []).append(value)
            elif member is not None and member.type_name == "integer":
                values[name] = int(value)
            else:
                values[name] = value
        if request["body"]:
            if request["headers"].get("Content-Type") != "application/json":
                self.refuse(400, "InvalidRequestException", "not application/json")
            try:
                body = json.loads(request["body"])
                assert isinstance(body, dict) and not set(body) & set(values)
            except (ValueError, AssertionError):
                self.refuse(400, "InvalidRequestException", "the body is not a JSON object")
            values.update(body)
        report = ParamValidator().validate(values, shape).generate_report()
        problems = [report] if report else self.beyond(values, shape, operation.name)
        if problems:
            self.refuse(400, "InvalidParameterException", "; ".join(problems))
        return values

    def beyond(self, value, shape, name):
        """What botocore leaves to the service: maxima and enumerations."""
        found = []
        most = shape.metadata.get("max")
        if shape.type_name == "string":
            if most is not None and len(value) > most:
                found.append(f"{name} is longer than {most}")
            if value not in (shape.metadata.get("enum") or [value]):
                found.append(f"{name} is not one of {shape.metadata['enum']}")
            if shape.name == "PhoneNumber" and not PHONE.fullmatch(value):
                found.append(f"{name} is not E.164")
        elif shape.type_name == "integer" and most is not None and value > most:
            found.append(f"{name} is more than {most}")
        elif shape.type_name == "structure":
            for key, inner in value.items():
                found += self.beyond(inner, shape.members[key], key)
        elif shape.type_name == "map":
            for key, inner in value.items():
                found += self.beyond(inner, shape.value, f"{name}.{key}")
        elif shape.type_name == "list":
            for inner in value:
                found += self.beyond(inner, shape.member, name)
        return found

    # -- the APIs ----------------------------------------------------------------------------

    def do_StartOutboundVoiceContact(self, p):
        if p.get("ClientToken") in self.tokens:
            return {"ContactId": self.tokens[p["ClientToken"]]}
        if p["ContactFlowId"] not in self.flows:
            self.refuse(404, "ResourceNotFoundException", "Contact flow not found")
        if "SourcePhoneNumber" not in p and "QueueId" not in p:
            self.refuse(400, "InvalidParameterException", "SourcePhoneNumber or QueueId is needed")
        if p.get("SourcePhoneNumber", self.source) != self.source:
            self.refuse(400, "InvalidParameterException", "SourcePhoneNumber is not claimed")
        attributes = p.get("Attributes", {})
        size = sum(len(k.encode()) + len(v.encode()) for k, v in attributes.items())
        if size > ATTRIBUTES_MAX:
            self.refuse(400, "InvalidRequestException", f"Attributes have {size} bytes")
        if not all(re.fullmatch("[A-Za-z0-9_-]+", key) for key in attributes):
            self.refuse(400, "InvalidParameterException", "a key of Attributes")
        does = self.persons.get(p["DestinationPhoneNumber"], {}).get("does")
        if does == "not_allowed":
            self.refuse(403, "DestinationNotAllowedException", "Outbound calls are not allowed")
        contact = Contact(self, p)
        self.contacts[contact.id] = contact
        if contact.token:
            self.tokens[contact.token] = contact.id
        threading.Thread(target=self.call, args=(contact,), daemon=True).start()
        return {"ContactId": contact.id}

    def contact(self, contact_id):
        if contact_id not in self.contacts:
            self.refuse(404, "ResourceNotFoundException", "Contact not found")
        return self.contacts[contact_id]

    def do_StopContact(self, p):
        contact = self.contacts.get(p["ContactId"])
        if contact is None or contact.disconnected is not None:
            self.refuse(410, "ContactNotFoundException", "The contact has ended")
        contact.end("OTHER" if contact.connected else "TELECOM_ORIGINATOR_CANCEL")
        return {}

    def do_DescribeContact(self, p):
        contact = self.contact(p["ContactId"])
        told = {
            "Arn": "arn:aws:connect:" + contact.id,
            "Id": contact.id,
            "InitiationMethod": "API",
            "Channel": "VOICE",
            "InitiationTimestamp": contact.initiated,
        }
        if contact.connected:
            told["ConnectedToSystemTimestamp"] = contact.connected
        if contact.disconnected:
            told["DisconnectTimestamp"] = contact.disconnected
            told["DisconnectReason"] = contact.reason
        return {"Contact": told}

    def do_GetContactAttributes(self, p):
        return {"Attributes": dict(self.contact(p["InitialContactId"]).attributes)}

    def do_ListContactFlows(self, p):
        listed = [
            {
                "Id": flow_id,
                "Name": flow["Name"],
                "ContactFlowType": "CONTACT_FLOW",
                "ContactFlowState": flow["State"],
                "ContactFlowStatus": "PUBLISHED",
            }
            for flow_id, flow in self.flows.items()
        ]
        begin = int(p["NextToken"].removeprefix("from/=")) if "NextToken" in p else 0
        end = begin + min(self.page_size, p.get("MaxResults", 100))
        answer = {"ContactFlowSummaryList": listed[begin:end]}
        if end < len(listed):
            answer["NextToken"] = f"from/={end}"
        return answer

    def checked_flow(self, content):
        try:
            return Flow(content)
        except FlowProblem as problem:
            self.refuse(
                400,
                "InvalidContactFlowException",
                None,
                problems=[{"message": text} for text in problem.problems],
            )

    def do_CreateContactFlow(self, p):
        if any(flow["Name"] == p["Name"] for flow in self.flows.values()):
            self.refuse(409, "DuplicateResourceException", "A flow of this name exists")
        self.checked_flow(p["Content"])
        flow_id = self.add_flow(p["Name"], p["Content"])
        return {"ContactFlowId": flow_id, "ContactFlowArn": "arn:aws:connect:" + flow_id}

    def do_UpdateContactFlowContent(self, p):
        if p["ContactFlowId"] not in self.flows:
            self.refuse(404, "ResourceNotFoundException", "Contact flow not found")
        flow = self.checked_flow(p["Content"])
        self.flows[p["ContactFlowId"]].update(flow=flow, Content=p["Content"])
        return {}

    # -- the call ----------------------------------------------------------------------------

    def call(self, contact):
        person = self.persons.get(contact.phone, {})
        does = person.get("does", "answer" if person else "no_answer")
        at_once = {
            "busy": "TELECOM_BUSY",
            "invalid": "TELECOM_NUMBER_INVALID",
            "blocked": "TELECOM_POTENTIAL_BLOCKING",
            "reject": "CUSTOMER_DISCONNECT",
        }
        after = person.get("after", 1.0)
        if does in at_once:
            contact.stopped.wait(after * self.pace)
            return contact.end(at_once[does])
        if does == "no_answer" or after > contact.ring:
            contact.stopped.wait(contact.ring * self.pace)
            return contact.end("TELECOM_TIMEOUT")
        if contact.stopped.wait(after * self.pace):
            return None
        contact.connected = time.time()
        keys = [(time.monotonic() + at * self.pace, key) for at, key in person.get("keys", [])]
        contact.flow.run(contact, keys, self.speech_seconds * self.pace, self.pace)
        return contact.end("CONTACT_FLOW_DISCONNECT")
