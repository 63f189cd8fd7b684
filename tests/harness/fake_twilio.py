"""A strict fake of Twilio's voice API (2010-04-01): Basic authentication, form validation, calls
with their states, signed webhooks, and TwiML that is followed; persons do what a script says."""

import base64
import email.utils
import hashlib
import hmac
import json
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
import xml.etree.ElementTree as ElementTree

from .fake_http import FakeServer, Refused

PHONE = re.compile(r"\+[1-9]\d{1,14}")
EVENTS = {"initiated", "ringing", "answered", "completed"}
LIVE = {"queued", "ringing", "in-progress"}
# What a call may be created with; another name is a mistake of ours.
FIELDS = {
    "To",
    "From",
    "Url",
    "Twiml",
    "Method",
    "StatusCallback",
    "StatusCallbackMethod",
    "StatusCallbackEvent",
    "Timeout",
    "TimeLimit",
    "FallbackUrl",
    "FallbackMethod",
    "MachineDetection",
}


def signature(token, url, fields):
    """X-Twilio-Signature, from the documentation (the tests compare it with Twilio's library)."""
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


class Call:
    def __init__(self, form):
        self.sid = "CA" + uuid.uuid4().hex
        self.form = form
        self.to, self.source = form["To"][0], form["From"][0]
        self.status, self.created = "queued", time.time()
        self.answered_at = self.ended_at = self.sip = None
        self.stopped = threading.Event()
        self.spoken = []  # what was read aloud, in order
        self.sequence = 0


class FakeTwilio(FakeServer):
    """`persons[phone]`: {"does": "answer" | "no_answer" | "busy" | "switched_off" | "unknown" |
    "reject" | "failed", "after": seconds, "keys": [(seconds after the answer, key), …]}. Voicemail
    answers and presses nothing. `webhooks` records what was asked of us: url, fields, status,
    seconds, body."""

    def __init__(
        self,
        account_sid="AC" + "0f" * 16,
        auth_token="fake-twilio-token",
        numbers=("+815012345678",),
        api_keys=(),
        port=0,
        pace=1.0,
    ):
        super().__init__(port)
        self.account_sid, self.auth_token = account_sid, auth_token
        self.passwords = {account_sid: auth_token, **dict(api_keys)}
        self.numbers, self.pace = set(numbers), pace
        self.persons, self.calls, self.webhooks = {}, {}, []
        self.speech_seconds = 3.0
        self.clock_offset_s = 0

    def calls_to(self, phone):
        with self.lock:
            return [call for call in self.calls.values() if call.to == phone]

    # -- the API -----------------------------------------------------------------------------

    def api_of(self, request):
        one = re.fullmatch(r"/2010-04-01/Accounts/[^/]+/Calls/(CA[0-9a-f]{32})\.json", request.path)
        if one:
            return "update" if request.method == "POST" else "fetch"
        if re.fullmatch(r"/2010-04-01/Accounts/[^/]+/Calls\.json", request.path):
            return "create" if request.method == "POST" else "list"
        return None

    def headers(self):
        date = email.utils.formatdate(time.time() + self.clock_offset_s, usegmt=True)
        return {"Content-Type": "application/json", "Date": date}

    def answer_error(self, status, code, message):
        body = {
            "code": code,
            "message": message,
            "more_info": f"https://www.twilio.com/docs/errors/{code}",
            "status": status,
        }
        return status, self.headers(), json.dumps(body).encode()

    def error(self, status):
        return self.answer_error(status, 20429 if status == 429 else 20500, "ordered by the test")

    def refuse(self, status, code, message):
        raise Refused(*self.answer_error(status, code, message))

    def handle(self, request):
        try:
            kind, _, credentials = request.headers.get("Authorization", "").partition(" ")
            user, _, password = base64.b64decode(credentials).decode().partition(":")
        except ValueError:
            kind, user, password = "", "", ""
        known = self.passwords.get(user)
        if kind != "Basic" or known is None or not hmac.compare_digest(known, password):
            self.refuse(401, 20003, "Authenticate")
        if request.api is None or request.path.split("/")[3] != self.account_sid:
            self.refuse(404, 20404, "The requested resource was not found")
        with self.lock:
            if request.api == "create":
                return 201, self.headers(), json.dumps(self.create(request)).encode()
            if request.api == "list":
                return 200, self.headers(), json.dumps(self.list(request)).encode()
            call = self.calls.get(request.path.rsplit("/", 1)[1].removesuffix(".json"))
            if call is None:
                self.refuse(404, 20404, "The requested resource was not found")
            if request.api == "update":
                self.update(call, self.form(request))
            return 200, self.headers(), json.dumps(self.resource(call)).encode()

    def form(self, request):
        if request.headers.get("Content-Type") != "application/x-www-form-urlencoded":
            self.refuse(400, 20001, "not a form")
        return urllib.parse.parse_qs(request.body.decode(), keep_blank_values=True)

    def create(self, request):
        form = self.form(request)
        if set(form) - FIELDS:
            self.refuse(400, 20001, f"unknown {sorted(set(form) - FIELDS)}")
        if any(len(v) > 1 for k, v in form.items() if k != "StatusCallbackEvent"):
            self.refuse(400, 20001, "a field is there twice")
        to, source = form.get("To", [""])[0], form.get("From", [""])[0]
        if not to:
            self.refuse(400, 21201, "No 'To' number is specified")
        if not PHONE.fullmatch(to):
            self.refuse(400, 21211, f"The phone number you are attempting to call, {to}, is wrong")
        if source not in self.numbers:
            self.refuse(400, 21210, "'From' phone number not verified")
        if self.persons.get(to, {}).get("does") == "not_allowed":
            self.refuse(400, 21215, "Account not authorized to call this country")
        if "Url" not in form and "Twiml" not in form:
            self.refuse(400, 21205, "Url parameter is required")
        for field in ("Url", "StatusCallback"):
            if field in form and not re.match(r"https?://[^/]+/", form[field][0]):
                self.refuse(400, 21205 if field == "Url" else 21609, f"{field} is not a valid URL")
        if not set(form.get("StatusCallbackEvent", [])) <= EVENTS:
            self.refuse(400, 21626, "Invalid StatusCallbackEvent")
        if not 1 <= int(form.get("Timeout", ["60"])[0]) <= 600:
            self.refuse(400, 21202, "Timeout")
        call = Call(form)
        self.calls[call.sid] = call
        threading.Thread(target=self.run, args=(call,), daemon=True).start()
        return self.resource(call)

    def list(self, request):
        query = dict(urllib.parse.parse_qsl(request.query))
        if set(query) - {"To", "From", "Status", "PageSize", "Page", "StartTime", "StartTime>"}:
            self.refuse(400, 20001, "unknown filter")
        found = [
            self.resource(call)
            for call in sorted(self.calls.values(), key=lambda call: -call.created)
            if query.get("To", call.to) == call.to and query.get("From", call.source) == call.source
        ]
        size = int(query.get("PageSize", 50))
        return {"calls": found[:size], "page": 0, "page_size": size, "next_page_uri": None}

    def update(self, call, form):
        if set(form) != {"Status"} or form["Status"][0] not in ("completed", "canceled"):
            self.refuse(400, 20001, "Status must be completed or canceled")
        if call.status not in LIVE:
            self.refuse(400, 21220, "Call is not in-progress. Cannot redirect.")
        if form["Status"][0] == "canceled" and call.status == "in-progress":
            return  # "will not affect calls already in progress"
        self.end(call, "completed" if call.status == "in-progress" else "canceled")

    def resource(self, call):
        def date(at):
            return at and email.utils.formatdate(at + self.clock_offset_s).replace("-0000", "+0000")

        return {
            "sid": call.sid,
            "account_sid": self.account_sid,
            "to": call.to,
            "from": call.source,
            "status": call.status,
            "date_created": date(call.created),
            "start_time": date(call.answered_at),
            "end_time": date(call.ended_at),
            "direction": "outbound-api",
            "api_version": "2010-04-01",
            "answered_by": None,
            "uri": f"/2010-04-01/Accounts/{self.account_sid}/Calls/{call.sid}.json",
        }

    # -- the call ----------------------------------------------------------------------------

    def end(self, call, status, sip=None):
        with self.lock:
            if call.status not in LIVE:
                return
            call.status, call.sip, call.ended_at = status, sip, time.time()
            call.stopped.set()
        threading.Thread(target=self.status, args=(call, "completed"), daemon=True).start()

    def run(self, call):
        person = self.persons.get(call.to, {})
        does = person.get("does", "answer" if person else "no_answer")
        after = person.get("after", 1.0)
        self.status(call, "initiated")
        if does in ("switched_off", "unknown", "failed"):
            call.stopped.wait(after * self.pace)
            sip = {"switched_off": "480", "unknown": "404", "failed": "503"}[does]
            return self.end(call, "failed", sip)
        with self.lock:
            if call.status not in LIVE:
                return None
            call.status = "ringing"
        self.status(call, "ringing")
        ring = int(call.form.get("Timeout", ["60"])[0])
        if does in ("busy", "reject"):
            call.stopped.wait(after * self.pace)
            return self.end(call, "busy", "486" if does == "busy" else "603")
        if does == "no_answer" or after > ring:
            call.stopped.wait(ring * self.pace)
            return self.end(call, "no-answer", "487")
        if call.stopped.wait(after * self.pace):
            return None
        with self.lock:
            call.status, call.answered_at = "in-progress", time.time()
        self.status(call, "answered")
        keys = [(time.monotonic() + at * self.pace, key) for at, key in person.get("keys", [])]
        self.follow(call, call.form["Url"][0], keys)
        return self.end(call, "completed", "200")

    def follow(self, call, url, keys, fields=()):
        """Fetches TwiML and does what it says until the call ends."""
        for _ in range(50):
            if call.stopped.is_set():
                return
            status, body = self.webhook(call, url, fields)
            fields = ()
            try:
                root = ElementTree.fromstring(body)
            except ElementTree.ParseError:
                root = None
            if status != 200 or root is None or root.tag != "Response":
                self.webhooks[-1]["problem"] = "11200 or 12100: no TwiML"
                return
            following = self.verbs(call, root, url, keys)
            if following is None:
                return
            url, fields = following

    def verbs(self, call, root, url, keys):
        """The next URL with its fields; None: the call is over."""
        for verb in root:
            if verb.tag == "Say":
                call.spoken.append("".join(verb.itertext()))
                call.stopped.wait(self.speech_seconds * self.pace)
            elif verb.tag == "Pause":
                call.stopped.wait(float(verb.get("length", "1")) * self.pace)
            elif verb.tag == "Redirect":
                return urllib.parse.urljoin(url, verb.text), ()
            elif verb.tag == "Gather":
                pressed = self.gather(call, verb, keys)
                if pressed or verb.get("actionOnEmptyResult") == "true":
                    target = urllib.parse.urljoin(url, verb.get("action", url))
                    return target, (("Digits", pressed), ("FinishedOnKey", ""))
            elif verb.tag == "Hangup":
                return None
            else:
                self.webhooks[-1]["problem"] = "12200: unknown verb " + verb.tag
                return None
            if call.stopped.is_set():
                return None
        return None

    def gather(self, call, gather, keys):
        assert gather.get("input", "dtmf") == "dtmf" and gather.get("numDigits") == "1"
        spoken = [verb for verb in gather if verb.tag == "Say"]
        call.spoken += ["".join(verb.itertext()) for verb in spoken]
        seconds = len(spoken) * self.speech_seconds + float(gather.get("timeout", "5"))
        deadline = time.monotonic() + seconds * self.pace
        at = min(keys[0][0], deadline) if keys else deadline
        call.stopped.wait(max(0, at - time.monotonic()))
        if keys and keys[0][0] <= deadline and not call.stopped.is_set():
            return keys.pop(0)[1]
        return ""

    # -- what it asks of us ------------------------------------------------------------------

    def common(self, call):
        return (
            ("CallSid", call.sid),
            ("AccountSid", self.account_sid),
            ("From", call.source),
            ("To", call.to),
            ("CallStatus", call.status),
            ("Direction", "outbound-api"),
            ("ApiVersion", "2010-04-01"),
        )

    def status(self, call, event):
        if "StatusCallback" not in call.form:
            return
        if event not in call.form.get("StatusCallbackEvent", ["completed"]):
            return
        with self.lock:
            call.sequence += 1
            more = [("SequenceNumber", str(call.sequence - 1)), ("CallbackSource", "call-progress")]
            if event == "completed":
                duration = int(call.ended_at - call.answered_at) if call.answered_at else 0
                more += [("CallDuration", str(duration)), ("SipResponseCode", call.sip or "200")]
        self.webhook(call, call.form["StatusCallback"][0], tuple(more))

    def webhook(self, call, url, more=()):
        fields = [*self.common(call), *more]
        began = time.monotonic()
        request = urllib.request.Request(
            url,
            data=urllib.parse.urlencode(fields).encode(),
            headers={
                "X-Twilio-Signature": signature(self.auth_token, url, fields),
                "Content-Type": "application/x-www-form-urlencoded",
                "User-Agent": "TwilioProxy/1.1",
            },
        )
        status, body = 0, b""
        try:
            with urllib.request.urlopen(request, timeout=15) as answer:
                status, body = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status = error.code
        except OSError:
            pass
        with self.lock:
            self.webhooks.append(
                {
                    "at": began,
                    "seconds": time.monotonic() - began,
                    "url": url,
                    "fields": fields,
                    "headers": dict(request.header_items()),
                    "status": status,
                    "body": body,
                }
            )
        return status, body
