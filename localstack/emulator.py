"""What deploy.sh asks of an emulator of AWS, and the walk through the API that it deployed.

    wait               until it answers
    secrets STACK      makes the stack's secrets in its Secrets Manager; prints their ARNs as a shell reads them
    walk STACK         an order to delivered, a signed webhook, refusals, by the address of the stack's REST API
    clean STACK        takes stack and secrets away
"""

import base64
import hashlib
import hmac
import json
import os
import pathlib
import re
import secrets
import sys
import time
import urllib.error
import urllib.request

import boto3
from botocore.exceptions import BotoCoreError, ClientError

ENDPOINT = os.environ["AWS_ENDPOINT_URL"].rstrip("/")
PATIENCE = 60

ORDER = {
    "customer": {"id": "CUST-001", "name": "John Doe", "email": "john@example.com"},
    "items": [{"sku": "ABC123", "name": "Laptop", "quantity": 1, "unit_price": "99.99"}],
    "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "postal_code": "94102", "country": "US"},
}


def wait():
    end = time.time() + PATIENCE
    while True:
        try:
            return boto3.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            if time.time() > end:
                sys.exit(f"nothing that is AWS answers at {ENDPOINT}: {error}")
            time.sleep(0.2)


def secret(stack, name):
    return f"{stack}/{name}"


def make_secrets(stack):
    # As `orderflow api-key create` makes it: the caller has the key, the API its hash.
    key = "ofk_" + secrets.token_urlsafe(32)
    scopes = "orders:read,orders:write,orders:operate"
    signing = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    texts = {
        "database-url": os.environ["DATABASE_URL"],
        "api-keys": f"walk {hashlib.sha256(key.encode()).hexdigest()} {scopes}",
        "webhook-secrets": f"WEBHOOK_SECRETS_STANDARD={signing}\n",
        # What a caller would be given; here the walk is the caller.
        "callers-key": key,
    }
    manager = boto3.client("secretsmanager")
    for name, text in texts.items():
        arn = manager.create_secret(Name=secret(stack, name), SecretString=text)["ARN"]
        print(f"{name.replace('-', '_').upper()}_ARN={arn}")


def text_of(stack, name):
    return boto3.client("secretsmanager").get_secret_value(SecretId=secret(stack, name))["SecretString"]


def resource(stack, name):
    found = boto3.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=name)
    return found["StackResourceDetail"]["PhysicalResourceId"]


class Api:
    """The REST API of the stack, at the address that MiniStack and LocalStack share."""

    def __init__(self, stack):
        # In place of https://ID.execute-api.REGION.amazonaws.com.
        self.host = f"{ENDPOINT}/_aws/execute-api/{resource(stack, 'Api')}"
        self.base = f"{self.host}/prod"
        # Where the last answer pointed.
        self.location = None
        self.key = text_of(stack, "callers-key")

    def call(self, method, path, body=None, headers=None, key=True, base=None):
        headers = dict(headers or {})
        if key:
            headers["X-Api-Key"] = self.key
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request((base or self.base) + path, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=35) as answer:
                status, kind, text = answer.status, answer.headers.get("Content-Type", ""), answer.read()
                self.location = answer.headers.get("Location")
        except urllib.error.HTTPError as error:
            status, kind, text = error.code, error.headers.get("Content-Type", ""), error.read()
        return status, (json.loads(text) if "json" in kind else text.decode())

    def expect(self, status, method, path, *arguments, code=None, **named):
        got, answer = self.call(method, path, *arguments, **named)
        if got != status or (code and answer.get("code") != code):
            sys.exit(f"{method} {path}: {got} in place of {status} {code or ''}: {answer}")
        print(f"  {status} {method} {path}{f'  {code}' if code else ''}")
        return answer

    def eventually(self, path, what, holds):
        end = time.time() + PATIENCE
        while True:
            status, answer = self.call("GET", path)
            if status == 200 and holds(answer):
                print(f"  200 GET {path}  {what}")
                return answer
            if time.time() > end:
                sys.exit(f"GET {path}: not {what} within {PATIENCE} s: {status} {answer}")
            time.sleep(0.3)


def notification(order, signing):
    """A payment as a sender that follows Standard Webhooks tells it."""
    data = {
        "order_id": order, "transaction_id": f"tx-{order}", "amount": "99.99", "currency": "USD", "payment_method": "card",
    }
    at = str(int(time.time()))
    event = {"type": "payment.succeeded", "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "data": data}
    body = json.dumps(event).encode()
    identity = f"msg_{secrets.token_hex(12)}"
    key = base64.b64decode(signing.removeprefix("whsec_"))
    mac = hmac.new(key, f"{identity}.{at}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(mac).decode()
    return body, {"webhook-id": identity, "webhook-timestamp": at, "webhook-signature": signature}


def give_any_methods(stack):
    """MiniStack leaves out what SAM writes for `Method: ANY`, so `web` gets it in the words of API Gateway's own API."""
    template = (pathlib.Path(__file__).parent.parent / "template.yaml").read_text()
    paths = re.findall(r'Method: ANY, Path: "?(/[^" ]*)', template)
    client = boto3.client("apigateway")
    api = resource(stack, "Api")
    known = {each["path"]: each for each in client.get_resources(restApiId=api, limit=500)["items"]}
    lacking = [known[path]["id"] for path in paths if "ANY" not in known[path].get("resourceMethods", {})]
    if not lacking:
        return
    web = boto3.client("lambda").get_function_configuration(FunctionName=resource(stack, "WebFunction"))["FunctionArn"]
    uri = f"arn:aws:apigateway:{client.meta.region_name}:lambda:path/2015-03-31/functions/{web}/invocations"
    for each in lacking:
        method = {"restApiId": api, "resourceId": each, "httpMethod": "ANY"}
        client.put_method(**method, authorizationType="NONE")
        client.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    client.create_deployment(restApiId=api, stageName="prod")
    print(f"this emulator left out {len(lacking)} of {len(paths)} methods `ANY`; they were added")


def walk(stack):
    give_any_methods(stack)
    api = Api(stack)
    api.expect(200, "GET", "/health", key=False)
    assert "/orders" in api.expect(200, "GET", "/openapi.json", key=False)["paths"]

    print("refusals")
    api.expect(401, "GET", "/orders", key=False, code="unauthenticated")
    api.expect(404, "GET", "/nowhere", code="route_not_found")
    api.expect(405, "PUT", "/orders/o-1", code="method_not_allowed")
    api.expect(404, "GET", f"/orders/{stack}-nobody", code="order_not_found")
    api.expect(422, "POST", "/orders", {"items": []}, code="invalid_request")

    print("an order to delivered")
    order = ORDER | {"payment": {"payment_id": f"pmt-{stack}-{secrets.token_hex(4)}"}}
    once = {"Idempotency-Key": secrets.token_hex(16)}
    identity = api.expect(202, "POST", "/orders", order, once)["order_id"]
    assert api.expect(202, "POST", "/orders", order, once)["order_id"] == identity, "one key, one order"
    # It has the stage in front.
    assert api.expect(200, "GET", api.location, base=api.host)["order_id"] == identity
    path = f"/orders/{identity}"
    api.eventually(path, "on its way", lambda answer: answer["status"] == "shipped")
    api.expect(200, "POST", f"{path}/signals/confirm-delivery", {})
    api.eventually(path, "delivered", lambda answer: answer["status"] == "delivered")
    api.eventually(f"{path}/events", "the delivery in the trail", lambda answer: "delivered" in json.dumps(answer))
    api.expect(409, "POST", f"{path}/cancel", {}, code="already_shipped")

    print("a payment by webhook")
    identity = api.expect(202, "POST", "/orders", ORDER)["order_id"]
    path = f"/orders/{identity}"
    api.eventually(path, "waiting for its payment", lambda answer: answer["step"] == "pay")
    signing = text_of(stack, "webhook-secrets").strip().split("=", 1)[1]
    body, headers = notification(identity, signing)
    forged = body.replace(b"99.99", b"00.01")
    api.expect(400, "POST", "/webhooks/standard", forged, headers, key=False, code="webhook_rejected")
    api.expect(404, "POST", "/webhooks/stripe", body, headers, key=False, code="route_not_found")
    api.expect(200, "POST", "/webhooks/standard", body, headers, key=False)
    api.eventually(path, "paid and on its way", lambda answer: answer["status"] == "shipped")


def clean(stack):
    client = boto3.client("cloudformation")
    resources = client.describe_stack_resources(StackName=stack)["StackResources"]
    client.delete_stack(StackName=stack)
    client.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 2, "MaxAttempts": 60})
    # They outlive their stack, as in AWS.
    for group in (each["PhysicalResourceId"] for each in resources if each["ResourceType"] == "AWS::Logs::LogGroup"):
        boto3.client("logs").delete_log_group(logGroupName=group)
    manager = boto3.client("secretsmanager")
    for name in ("database-url", "api-keys", "webhook-secrets", "callers-key"):
        manager.delete_secret(SecretId=secret(stack, name), ForceDeleteWithoutRecovery=True)


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"wait": wait, "secrets": make_secrets, "walk": walk, "clean": clean}[command](*arguments)
