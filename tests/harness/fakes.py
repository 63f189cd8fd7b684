"""Runs a fake of a calling service for tests in another language: `python3 fakes.py connect PACE`
or `… twilio PACE`. Prints one line of JSON with its address and names; ends when stdin does or the
process is killed. Orders go to POST /_fake (FakeServer.control)."""

import json
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))


def main():
    kind, pace = sys.argv[1], float(sys.argv[2])
    if kind == "connect":
        from harness.fake_connect import FakeConnect

        fake = FakeConnect(pace=pace).start()
        names = {
            "region": fake.region,
            "instance_id": fake.instance_id,
            "contact_flow_id": fake.contact_flow_id,
            "source": fake.source,
            "access_key": fake.credentials.access_key,
            "secret_key": fake.credentials.secret_key,
        }
    else:
        from harness.fake_twilio import FakeTwilio

        fake = FakeTwilio(pace=pace).start()
        names = {
            "account_sid": fake.account_sid,
            "auth_token": fake.auth_token,
            "source": next(iter(fake.numbers)),
        }
    print(json.dumps({"url": fake.url, **names}), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
