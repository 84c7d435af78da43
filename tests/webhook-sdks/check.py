"""Compares our signatures with the vendors' SDKs, in both directions, on cases from a fixed seed."""

import base64
import copy
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path
from unittest import mock

import Adyen.util
import standardwebhooks.webhooks
import stripe

NOW = 1_761_000_000
TEXTS = ["", "a", "Größe", "日本", "\\", "\n", '"', "🦀", ":", "a:b", " "]


class FixedClock(datetime):
    """The fixed clock for the SDK of Standard Webhooks."""

    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(NOW, tz=tz)


def random_json(dice):
    value = {f"k{i}": dice.choice([dice.choice(TEXTS), dice.random(), dice.getrandbits(40), None, [True, {}]]) for i in range(dice.randrange(6))}
    return json.dumps(value, ensure_ascii=dice.random() < 0.5, indent=dice.choice([None, 2]))


class Stripe:
    name = "stripe"
    # This SDK rejects old time stamps only. Our code also rejects time stamps in the future.
    known_differences = {"future": (True, "reject:timestamp")}

    def secret(self, dice):
        return "whsec_" + base64.urlsafe_b64encode(dice.randbytes(24)).decode()

    def sign(self, dice, secret, body, at):
        return {"stripe-signature": stripe.WebhookSignature.generate_signature_header(body, secret, at)}, body

    def body(self, dice):
        return random_json(dice)

    def accepts(self, secret, headers, body):
        """Returns whether the vendor's SDK accepts the signature."""
        try:
            with mock.patch("time.time", lambda: NOW):
                return stripe.WebhookSignature.verify_header(body, headers.get("stripe-signature"), secret, 300)
        except stripe.SignatureVerificationError:
            return False

    def change_signature(self, headers, body):
        value = headers["stripe-signature"]
        last = "0" if value[-1] != "0" else "1"
        return {"stripe-signature": value[:-1] + last}, body


class Standard:
    name = "standard"
    known_differences = {}

    def secret(self, dice):
        text = base64.b64encode(dice.randbytes(dice.randrange(16, 64))).decode()
        # The key is the same without its prefix or its padding.
        return dice.choice(["whsec_", ""]) + dice.choice([text, text.rstrip("=")])

    def body(self, dice):
        return random_json(dice)

    def sign(self, dice, secret, body, at):
        message_id = f"msg_{dice.getrandbits(64):x}"
        time = datetime.fromtimestamp(at, tz=timezone.utc)
        signature = standardwebhooks.Webhook(secret).sign(message_id, time, body)
        if dice.random() < 0.3:
            signature = f"v1,{base64.b64encode(dice.randbytes(32)).decode()} v1a,AAAA {signature}"
        return {"webhook-id": message_id, "webhook-timestamp": str(at), "webhook-signature": signature}, body

    def accepts(self, secret, headers, body):
        try:
            with mock.patch.object(standardwebhooks.webhooks, "datetime", FixedClock):
                standardwebhooks.Webhook(secret).verify(body, headers)
            return True
        except (standardwebhooks.WebhookVerificationError, ValueError):
            return False

    def change_signature(self, headers, body):
        start, value = headers["webhook-signature"].rsplit(",", 1)
        mac = bytearray(base64.b64decode(value))
        mac[0] ^= 1
        return {**headers, "webhook-signature": f"{start},{base64.b64encode(mac).decode()}"}, body


class AdyenItem:
    name = "adyen"
    known_differences = {}

    def secret(self, dice):
        return dice.choice([str.upper, str.lower])(dice.randbytes(32).hex())

    def body(self, dice):
        item = {
            "pspReference": f"{dice.getrandbits(64):X}",
            "merchantAccountCode": dice.choice(TEXTS),
            "merchantReference": dice.choice(TEXTS + ["ORD-1"]),
            "amount": {"value": dice.randrange(10**9), "currency": "EUR"},
            "eventCode": dice.choice(["AUTHORISATION", "REFUND", "CAPTURE"]),
            "success": dice.choice(["true", "false"]),
            "paymentMethod": "visa",
        }
        if dice.random() < 0.5:
            item["originalReference"] = f"{dice.getrandbits(64):X}"
        return json.dumps({"live": "false", "notificationItems": [{"NotificationRequestItem": item}]})

    def sign(self, dice, secret, body, at):
        body = json.loads(body)
        item = body["notificationItems"][0]["NotificationRequestItem"]
        signature = Adyen.util.generate_notification_sig(item, secret).decode()
        item["additionalData"] = {"hmacSignature": signature}
        return {}, json.dumps(body, ensure_ascii=dice.random() < 0.5)

    def accepts(self, secret, headers, body):
        try:
            return bool(Adyen.util.is_valid_hmac_notification(json.loads(body), secret))
        except (KeyError, ValueError):
            return False

    def change_signature(self, headers, body):
        body = json.loads(body)
        data = body["notificationItems"][0]["NotificationRequestItem"]["additionalData"]
        data["hmacSignature"] = "A" + data["hmacSignature"][1:] if data["hmacSignature"][0] != "A" else "B"
        return headers, json.dumps(body)

    def change_body(self, body):
        body = json.loads(body)
        body["notificationItems"][0]["NotificationRequestItem"]["amount"]["value"] += 1
        return json.dumps(body)


class AdyenPayload(AdyenItem):
    """Adyen webhook events that are not payments: the whole body is signed, in a header."""

    def body(self, dice):
        return json.dumps({"type": "merchant.created", "data": json.loads(random_json(dice))})

    def sign(self, dice, secret, body, at):
        return {"hmacsignature": Adyen.util.generate_payload_sig(body.encode(), secret).decode()}, body

    def accepts(self, secret, headers, body):
        try:
            return Adyen.util.is_valid_hmac_payload(headers.get("hmacsignature", ""), secret, body.encode())
        except ValueError:
            return False

    def change_signature(self, headers, body):
        value = headers["hmacsignature"]
        return {"hmacsignature": ("A" if value[0] != "A" else "B") + value[1:]}, body

    def change_body(self, body):
        return body + " "


def variants(vendor, dice):
    """Yields one webhook event as the vendor's SDK signs it, and changed copies of it."""
    secret, at = vendor.secret(dice), NOW - dice.randrange(-300, 301)
    headers, body = vendor.sign(dice, secret, vendor.body(dice), at)
    change = getattr(vendor, "change_body", lambda body: body + " ")
    yield "unchanged", secret, headers, body
    yield "body", secret, headers, change(body)
    yield "signature", secret, *vendor.change_signature(headers, body)
    yield "secret", vendor.secret(dice), headers, body
    for missing in headers:
        yield "header", secret, {name: value for name, value in headers.items() if name != missing}, body
    if vendor.name in ("stripe", "standard"):
        for variant, at in (("past", NOW - 301 - dice.randrange(99)), ("future", NOW + 301 + dice.randrange(99))):
            yield variant, secret, *vendor.sign(dice, secret, body, at)
        yield "edge", secret, *vendor.sign(dice, secret, body, NOW - 300)


def run_judge(judge, cases):
    """Runs the example program `judge` on the cases and returns its results."""
    with tempfile.TemporaryDirectory() as folder:
        cases_file, results_file = Path(folder, "in.json"), Path(folder, "out.json")
        cases_file.write_text(json.dumps(cases))
        subprocess.run([judge, cases_file, results_file], check=True)
        return json.loads(results_file.read_text())


def make_case(vendor, secret, body, headers=None):
    return {"provider": vendor.name, "secret": secret, "now": NOW, "body": body, "headers": headers}


def check_vendor_signatures(judge, vendor, dice, rounds):
    cases = [variant for _ in range(rounds) for variant in variants(vendor, dice)]
    ours = run_judge(judge, [make_case(vendor, secret, body, headers) for _, secret, headers, body in cases])
    counted = Counter()
    for (name, secret, headers, body), our in zip(cases, ours, strict=True):
        their = vendor.accepts(secret, headers, body)
        same = their == (our == "accept") or vendor.known_differences.get(name) == (their, our)
        expected = (name in ("unchanged", "edge")) == (our == "accept")
        if not (same and expected):
            sys.exit(f"{vendor.__class__.__name__} {name}: the SDK returns {their}, we return {our}: {headers} {body!r}")
        counted[name, our] += 1
    return counted


def check_our_signatures(judge, vendor, dice, rounds):
    cases = [(vendor.secret(dice), vendor.body(dice)) for _ in range(rounds)]
    ours = run_judge(judge, [make_case(vendor, secret, body) for secret, body in cases])
    for (secret, _), message in zip(cases, ours, strict=True):
        headers, body = message["headers"], message["body"]
        if not vendor.accepts(secret, headers, body):
            sys.exit(f"{vendor.__class__.__name__} rejects a message that we signed: {message}")
        if vendor.accepts(secret, *vendor.change_signature(copy.deepcopy(headers), body)):
            sys.exit(f"{vendor.__class__.__name__} accepts a changed signature: {message}")
    return len(ours)


def main():
    judge, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 300
    for vendor in (Stripe(), Standard(), AdyenItem(), AdyenPayload()):
        dice = random.Random(20261121)
        counted = check_vendor_signatures(judge, vendor, dice, rounds)
        sent = check_our_signatures(judge, vendor, dice, rounds)
        counts = ", ".join(f"{name} {our} {count}" for (name, our), count in sorted(counted.items()))
        print(f"{vendor.__class__.__name__}: {counts}; accepted {sent} of our messages")


main()
