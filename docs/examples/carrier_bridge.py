"""A bridge between orderflow and a carrier (docs/carriers.md). It needs no packages.

Replace `hand_over`, `take_back` and `look_up` by calls to your carrier. Everything else stays.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds
LARGEST_BODY = 1024 * 1024
PATH = re.compile(r"^(?:/[^/]+)*/shipments/([^/]{1,200})(/recall)?$")


def hand_over(shipment_id, shipment):
    """Gives the parcel to the carrier and returns its tracking number. Your carrier's API goes here.

    Use `shipment_id` as the carrier's idempotency key or reference, because a call can be repeated.
    """
    return f"EXAMPLE-{shipment_id}"


def take_back(shipment_id, tracking_number):
    """Returns whether the carrier gives the parcel back. The example's carrier never does."""
    return False


def look_up(shipment_id, tracking_number):
    """Returns the status of a parcel that the carrier has, and since when. The example's carrier knows no more.

    Other results are `{"status": "delivered", "at": "2026-11-23T09:30:00Z"}`, `in_transit`, `exception` and `returned`.
    """
    return {"status": "accepted"}


class Parcels:
    """What the bridge has decided about each shipment. It is stored before a call is answered."""

    def __init__(self, file):
        self.file = file
        self.lock = threading.Lock()
        self.decided = {}
        if os.path.exists(file):
            with open(file, encoding="utf-8") as stored:
                self.decided = json.load(stored)

    def create(self, shipment_id, shipment):
        with self.lock:
            if shipment_id not in self.decided:
                number = hand_over(shipment_id, shipment)
                self._decide(shipment_id, {"status": "accepted", "tracking_number": number})
            return self.decided[shipment_id]

    def recall(self, shipment_id):
        with self.lock:
            known = self.decided.get(shipment_id)
            # Also an unknown shipment: a call to create it can still arrive.
            if known is None or (known["status"] == "accepted" and take_back(shipment_id, known["tracking_number"])):
                self._decide(shipment_id, {"status": "recalled"})
            return self.decided[shipment_id]

    def status(self, shipment_id):
        with self.lock:
            known = self.decided.get(shipment_id, {"status": "unknown"})
        if known["status"] != "accepted":
            return known
        return {**known, **look_up(shipment_id, known["tracking_number"])}

    def _decide(self, shipment_id, decision):
        self.decided[shipment_id] = decision
        with open(self.file + ".new", "w", encoding="utf-8") as stored:
            json.dump(self.decided, stored)
            stored.flush()
            os.fsync(stored.fileno())
        os.replace(self.file + ".new", self.file)


def is_signed(secrets, method, path, headers, body, now):
    """Verifies a call by Standard Webhooks; the id must name this very call."""
    message_id = headers.get("webhook-id", "")
    timestamp = headers.get("webhook-timestamp", "")
    if message_id != f"{method} {path}" or not timestamp.isdigit() or abs(now - int(timestamp)) > TOLERANCE:
        return False
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    given = [part[3:] for part in headers.get("webhook-signature", "").split(" ") if part.startswith("v1,")]
    wanted = [base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in secrets]
    return any([hmac.compare_digest(one, other) for one in wanted for other in given])


def handler(secrets, parcels):
    class Bridge(BaseHTTPRequestHandler):
        def do_GET(self):
            self.answer(lambda shipment_id, body: parcels.status(shipment_id), is_recall=False)

        def do_PUT(self):
            self.answer(lambda shipment_id, body: parcels.create(shipment_id, body), is_recall=False)

        def do_POST(self):
            self.answer(lambda shipment_id, body: parcels.recall(shipment_id), is_recall=True)

        def answer(self, decide, is_recall):
            length = int(self.headers.get("content-length", 0))
            if length > LARGEST_BODY:
                return self.send(413, {"code": "too_large"})
            body = self.rfile.read(length)
            if not is_signed(secrets, self.command, self.path, self.headers, body, int(time.time())):
                return self.send(401, {"code": "signature_wrong"})
            found = PATH.match(self.path)
            if not found or bool(found.group(2)) != is_recall:
                return self.send(404, {"code": "not_found"})
            self.send(200, decide(found.group(1), json.loads(body or b"null")))

        def send(self, status, body):
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json" if status == 200 else "application/problem+json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_):
            """A path has the id of an order, and a log should not."""

    return Bridge


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--port", type=int, default=8090, help="0 chooses a free port")
    arguments.add_argument("--file", default="parcels.json", help="the file that keeps the decisions")
    given = arguments.parse_args()
    texts = [text.strip() for text in os.environ["CARRIER_SECRET"].split(",")]
    secrets = [base64.b64decode(text.removeprefix("whsec_")) for text in texts]
    server = ThreadingHTTPServer(("127.0.0.1", given.port), handler(secrets, Parcels(given.file)))
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
