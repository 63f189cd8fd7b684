"""On-call: how soon an alarm makes the first request to a carrier, and a storm of alarms."""

import http.client
import http.server
import json
import shutil
import statistics
import threading
import time
import urllib.parse

from lib import Figures, Platform, scratch, wait_until

from harness.oncall import TOKEN, Oncall

HEADERS = {"Authorization": "Bearer " + TOKEN, "Content-Type": "application/json"}


class Carrier:
    """Answers as Twilio does, and remembers when it was asked to call whom."""

    def __init__(self):
        arrived = self.arrived = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                now = time.monotonic()
                body = self.rfile.read(int(self.headers["Content-Length"]))
                fields = urllib.parse.parse_qs(body.decode())
                if "To" in fields:
                    arrived.setdefault(fields["To"][0], now)
                self.answer({"sid": "CA" + "0" * 32, "status": "queued"}, 201)

            def do_GET(self):
                self.answer({"sid": "CA" + "0" * 32, "status": "ringing"}, 200)

            def answer(self, value, status):
                text = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # connections that on-call left at its end
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def post(connection, alarm):
    connection.request("POST", "/api/v1/incidents", json.dumps(alarm), HEADERS)
    response = connection.getresponse()
    response.read()
    if response.status != 202:
        raise AssertionError(f"status {response.status}")


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, int(len(values) * percent / 100))]


def first_request(service, carrier, teams):
    """Seconds from sending each alarm to the carrier's being asked; each is for an idle team."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port)
    sent = {}
    for i in range(teams):
        phone = f"+8190{i:08d}"
        sent[phone] = time.monotonic()
        alarm = {"key": f"alarm/{i}", "title": "down", "team": f"t{i}", "severity": "critical"}
        post(connection, alarm)
        time.sleep(0.1)
    wait_until(lambda: len(carrier.arrived) == teams, 60, what="all first calls")
    return [carrier.arrived[phone] - at for phone, at in sent.items()]


def storm(service, alarms, seconds, threads=4):
    """Seconds that each of so many alarms took to be accepted, sent evenly by some clients."""
    took, failed = [], []

    def client(first):
        connection = http.client.HTTPConnection("127.0.0.1", service.port)
        began = time.monotonic()
        for i in range(first, alarms, threads):
            time.sleep(max(0, began + i * seconds / alarms - time.monotonic()))
            at = time.monotonic()
            try:
                alarm = {"key": f"storm/{i}", "title": f"host {i} is down", "team": "t0"}
                post(connection, alarm)
                took.append(time.monotonic() - at)
            except (OSError, AssertionError, http.client.HTTPException) as error:
                failed.append(error)
                connection = http.client.HTTPConnection("127.0.0.1", service.port)

    clients = [threading.Thread(target=client, args=(i,)) for i in range(threads)]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    if failed:
        raise AssertionError(f"{len(failed)} alarms were not accepted: {failed[0]!r}")
    return took


def oncall(options):
    """Alarm received → first request to a carrier; 10,000 alarms in a minute."""
    figures = Figures("oncall")
    carrier, directory = Carrier(), scratch("bench")
    platform = Platform(directory / "p").init()
    twilio = {
        "kind": "twilio",
        "endpoint": carrier.url,
        "account_sid": "AC" + "0" * 32,
        "auth_token_env": "BENCH_TOKEN",
        "source_phone_number": "+815012345678",
        "public_url": "http://127.0.0.1:1",
    }
    service = Oncall(platform, carriers={"line": twilio}, extra="silence_seconds = 0")
    teams = 20 if options.quick else 100
    service.write(
        "teams.toml",
        "".join(
            f'[team.t{i}]\nmembers = [{{name = "p{i}", phone = "+8190{i:08d}"}}]\n'
            for i in range(teams)
        ),
    )
    try:
        service.start({"BENCH_TOKEN": "x" * 32})
        delays = [1000 * d for d in first_request(service, carrier, teams)]
        beside = {"p50_ms": round(statistics.median(delays), 1), "max_ms": round(max(delays), 1)}
        figures.add("first_request_p99_ms", percentile(delays, 99), 500, beside=beside, runs=teams)
        alarms, seconds = (1000, 6) if options.quick else (10_000, 60)
        took = [1000 * t for t in storm(service, alarms, seconds)]
        beside = {
            "p50_ms": round(statistics.median(took), 1),
            "max_ms": round(max(took), 1),
            "alarms": alarms,
            "seconds": seconds,
        }
        figures.add("accepted_p99_ms", percentile(took, 99), 50, beside=beside)
        kept = len(service.incidents(team="t0", limit=100_000))
        if kept != alarms + 1:
            raise AssertionError(f"{kept} incidents of {alarms + 1}")
    finally:
        service.kill()
        shutil.rmtree(directory, ignore_errors=True)
    return figures
