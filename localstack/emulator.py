"""Prepares an AWS emulator for up.sh, and checks the deployed API for deploy.sh.

    wait                      Waits until the emulator responds.
    secrets STACK             Creates the stack's secrets in Secrets Manager and prints their ARNs as shell variables.
    finish STACK              Adds the methods that the emulator ignored.
    ready STACK               Expects that the health check of the API succeeds.
    describe STACK FOLDER     Prints the API's address, an API key and commands.
    code STACK                Prints the hash of the code of the function `web`.
    check STACK               Sends calls to the REST API: an order to delivered, a signed webhook event, rejected calls,
                              a rotated API key.
                              With --logs, also finds each call in the logs of the functions.
"""

import base64
import collections
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
TIMEOUT_SECONDS = 60
FUNCTIONS = ("Start", "Signal", "Query", "Events", "Admin", "Webhook", "Web")

ORDER = {
    "customer": {"id": "CUST-001", "name": "John Doe", "email": "john@example.com"},
    "items": [{"sku": "ABC123", "name": "Laptop", "quantity": 1, "unit_price": "99.99"}],
    "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "postal_code": "94102", "country": "US"},
}


def wait_until_ready():
    end = time.time() + TIMEOUT_SECONDS
    while True:
        try:
            return boto3.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            if time.time() > end:
                sys.exit(f"AWS_ENDPOINT_URL {ENDPOINT}: no response from an AWS API: {error}")
            time.sleep(0.2)


def secret_name(stack, name):
    return f"{stack}/{name}"


def create_key():
    """Returns a new API key for a client, and its line for the API, as `orderflow api-key create` does."""
    key = "ofk_" + secrets.token_urlsafe(32)
    return key, f"check {hashlib.sha256(key.encode()).hexdigest()} orders:read,orders:write,orders:operate"


def create_secrets(stack):
    key, line = create_key()
    signing = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    texts = {
        "database-url": os.environ["DATABASE_URL"],
        "api-keys": line,
        "webhook-secrets": f"WEBHOOK_SECRETS_STANDARD={signing}\n",
        # A client gets this key; here, the client is `check`.
        "client-key": key,
    }
    manager = boto3.client("secretsmanager")
    for name, text in texts.items():
        arn = manager.create_secret(Name=secret_name(stack, name), SecretString=text)["ARN"]
        print(f"{name.replace('-', '_').upper()}_ARN={arn}")


def replace_secret(stack, name, text):
    boto3.client("secretsmanager").put_secret_value(SecretId=secret_name(stack, name), SecretString=text)


def read_secret(stack, name):
    return boto3.client("secretsmanager").get_secret_value(SecretId=secret_name(stack, name))["SecretString"]


def physical_id(stack, name):
    resource = boto3.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=name)
    return resource["StackResourceDetail"]["PhysicalResourceId"]


class Api:
    """The REST API of the stack. MiniStack and LocalStack serve it at the same path."""

    def __init__(self, stack):
        # Replaces https://ID.execute-api.REGION.amazonaws.com.
        self.host = f"{ENDPOINT}/_aws/execute-api/{physical_id(stack, 'Api')}"
        self.base = f"{self.host}/prod"
        # The header Location of the last response.
        self.location = None
        # The gateway's id of each call, which the functions return.
        self.request_ids = []
        self.key = read_secret(stack, "client-key")

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
            with urllib.request.urlopen(request, timeout=35) as response:
                status, found, text = response.status, response.headers, response.read()
                self.location = found.get("Location")
        except urllib.error.HTTPError as error:
            status, found, text = error.code, error.headers, error.read()
        content_type = found.get("Content-Type", "")
        self.request_ids.append(found.get("X-Request-Id"))
        return status, (json.loads(text) if "json" in content_type else text.decode())

    def expect(self, expected, method, path, *arguments, code=None, **options):
        """Sends a request and exits if the status or the problem code differs. Returns the response's body."""
        status, response = self.call(method, path, *arguments, **options)
        if status != expected or (code and response.get("code") != code):
            sys.exit(f"{method} {path}: got {status}, expected {expected} {code or ''}: {response}")
        print(f"  {status} {method} {path}{f'  {code}' if code else ''}")
        return response

    def wait_for_status(self, path, expected):
        """Repeats a GET until it returns the status. Exits after the time limit."""
        end = time.time() + TIMEOUT_SECONDS
        while self.call("GET", path)[0] != expected:
            if time.time() > end:
                sys.exit(f"GET {path}: not {expected} within {TIMEOUT_SECONDS} s")
            time.sleep(0.3)
        print(f"  {expected} GET {path}")

    def wait_for(self, path, state, is_reached):
        """Repeats a GET until `is_reached` returns true for the body. Exits after the time limit."""
        end = time.time() + TIMEOUT_SECONDS
        while True:
            status, response = self.call("GET", path)
            if status == 200 and is_reached(response):
                print(f"  200 GET {path}  {state}")
                return response
            if time.time() > end:
                sys.exit(f"GET {path}: not {state} within {TIMEOUT_SECONDS} s: {status} {response}")
            time.sleep(0.3)


def sign_webhook_event(order, secret):
    """Returns the body and the headers of a payment's webhook event in the format of Standard Webhooks."""
    data = {
        "order_id": order, "transaction_id": f"tx-{order}", "amount": "99.99", "currency": "USD", "payment_method": "card",
    }
    timestamp = str(int(time.time()))
    event = {"type": "payment.succeeded", "timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "data": data}
    body = json.dumps(event).encode()
    message_id = f"msg_{secrets.token_hex(12)}"
    key = base64.b64decode(secret.removeprefix("whsec_"))
    mac = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    signature = "v1," + base64.b64encode(mac).decode()
    return body, {"webhook-id": message_id, "webhook-timestamp": timestamp, "webhook-signature": signature}


def add_any_methods(stack):
    """Adds the methods `ANY` of the function `web` through API Gateway's API, because MiniStack ignores them in SAM's output."""
    template = (pathlib.Path(__file__).parent.parent / "template.yaml").read_text()
    paths = re.findall(r'Method: ANY, Path: "?(/[^" ]*)', template)
    client = boto3.client("apigateway")
    api = physical_id(stack, "Api")
    resources = {resource["path"]: resource for resource in client.get_resources(restApiId=api, limit=500)["items"]}
    missing = [resources[path]["id"] for path in paths if "ANY" not in resources[path].get("resourceMethods", {})]
    if not missing:
        return
    name = physical_id(stack, "WebFunction")
    web = boto3.client("lambda").get_alias(FunctionName=name, Name="live")["AliasArn"]
    uri = f"arn:aws:apigateway:{client.meta.region_name}:lambda:path/2015-03-31/functions/{web}/invocations"
    for resource_id in missing:
        method = {"restApiId": api, "resourceId": resource_id, "httpMethod": "ANY"}
        client.put_method(**method, authorizationType="NONE")
        client.put_integration(**method, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    client.create_deployment(restApiId=api, stageName="prod")
    print(f"added {len(missing)} of {len(paths)} methods `ANY`, which the emulator had ignored")


def print_code_hash(stack):
    print(boto3.client("lambda").get_function_configuration(FunctionName=physical_id(stack, "WebFunction"))["CodeSha256"])


def expect_health(stack):
    Api(stack).expect(200, "GET", "/health", key=False)


def describe_environment(stack, folder):
    api = Api(stack)
    here = pathlib.Path(__file__).parent
    option = "" if pathlib.Path(folder).resolve() == here.parent.resolve() / ".localstack" else f" --folder {folder}"
    place = folder if option else os.path.relpath(folder)
    scripts = os.path.relpath(here)
    order = json.dumps({key: ORDER[key] for key in ("items", "shipping_address")})
    print(f"""
API           {api.base}
API key       {api.key}
AWS           {ENDPOINT}
logs          {place}/emulator.log, {place}/logs

Commands to continue with:

export ORDERFLOW_URL={api.base} ORDERFLOW_API_KEY={api.key}
curl -i "$ORDERFLOW_URL/health"
curl -i "$ORDERFLOW_URL/orders" -H "X-Api-Key: $ORDERFLOW_API_KEY" -H 'Content-Type: application/json' -d '{order}'
curl -i "$ORDERFLOW_URL/orders?limit=1" -H "X-Api-Key: $ORDERFLOW_API_KEY"
tail -F {place}/logs/*.log               # logs of the functions in LocalStack
{scripts}/up.sh --keep{option}           # deploys changes
{scripts}/down.sh{option}                # stops and removes everything""")


def function_lines(stack):
    """Returns the log lines of all functions that are about a request."""
    pages = boto3.client("logs").get_paginator("filter_log_events")
    lines = []
    for name in FUNCTIONS:
        for page in pages.paginate(logGroupName=physical_id(stack, f"{name}Logs")):
            lines += [event["message"] for event in page["events"] if '"request_id"' in event["message"]]
    return [json.loads(line) for line in lines]


def check_logs(stack, calls):
    """Expects that each call has exactly one log line of a function, with the gateway's id of the call.

    The access log of the gateway has the same id. Emulators write no access log.
    """
    end = time.time() + TIMEOUT_SECONDS
    while True:
        logged = collections.Counter(line["request_id"] for line in function_lines(stack) if "duration_ms" in line)
        wrong = {call: logged[call] for call in calls if logged[call] != 1}
        if not wrong or time.time() > end:
            break
        time.sleep(0.3)
    if wrong or len(set(calls)) != len(calls):
        sys.exit(f"calls without exactly one log line, and the number of their lines: {wrong}")
    print(f"{len(calls)} calls, and one log line for each")


def check_api(stack, *options):
    api = Api(stack)
    api.expect(200, "GET", "/health", key=False)
    assert "/orders" in api.expect(200, "GET", "/openapi.json", key=False)["paths"]

    print("rejected calls")
    api.expect(401, "GET", "/orders", key=False, code="unauthenticated")
    api.expect(404, "GET", "/nowhere", code="route_not_found")
    api.expect(405, "PUT", "/orders/o-1", code="method_not_allowed")
    api.expect(404, "GET", f"/orders/{stack}-unknown", code="order_not_found")
    api.expect(422, "POST", "/orders", {"items": []}, code="invalid_request")

    print("an order to delivered")
    order = ORDER | {"payment": {"payment_id": f"pmt-{stack}-{secrets.token_hex(4)}"}}
    idempotency = {"Idempotency-Key": secrets.token_hex(16)}
    order_id = api.expect(202, "POST", "/orders", order, idempotency)["order_id"]
    repeated_id = api.expect(202, "POST", "/orders", order, idempotency)["order_id"]
    assert repeated_id == order_id, "a repeated idempotency key must return the same order"
    # The header Location contains the stage, so the base has none.
    assert api.expect(200, "GET", api.location, base=api.host)["order_id"] == order_id
    path = f"/orders/{order_id}"
    api.wait_for(path, "shipped", lambda response: response["status"] == "shipped")
    api.expect(200, "POST", f"{path}/signals/confirm-delivery", {})
    api.wait_for(path, "delivered", lambda response: response["status"] == "delivered")
    api.wait_for(f"{path}/events", "delivered in the audit log", lambda response: "delivered" in json.dumps(response))
    api.expect(409, "POST", f"{path}/cancel", {}, code="already_shipped")

    print("a payment by webhook event")
    order_id = api.expect(202, "POST", "/orders", ORDER)["order_id"]
    path = f"/orders/{order_id}"
    api.wait_for(path, "waiting for payment", lambda response: response["step"] == "pay")
    secret = read_secret(stack, "webhook-secrets").strip().split("=", 1)[1]
    body, headers = sign_webhook_event(order_id, secret)
    forged = body.replace(b"99.99", b"00.01")
    api.expect(400, "POST", "/webhooks/standard", forged, headers, key=False, code="webhook_rejected")
    api.expect(404, "POST", "/webhooks/stripe", body, headers, key=False, code="route_not_found")
    api.expect(200, "POST", "/webhooks/standard", body, headers, key=False)
    api.wait_for(path, "paid and shipped", lambda response: response["status"] == "shipped")
    check_rotation(api, stack, path)
    if "--logs" in options:
        check_logs(stack, api.request_ids)


def check_rotation(api, stack, path):
    """Replaces the API key without a deployment. `start` has no route that only reads, so it is not called."""
    print("a rotated API key")
    paths = ("/orders", path)
    for each in paths:
        api.expect(200, "GET", each)
    old, (new, line) = api.key, create_key()
    replace_secret(stack, "api-keys", line)
    for each in paths:
        api.wait_for_status(each, 401)
    api.key = new
    for each in paths:
        api.wait_for_status(each, 200)
    api.key = old
    for each in paths:
        api.expect(401, "GET", each, code="unauthenticated")
    api.key = new


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    commands = {
        "wait": wait_until_ready,
        "secrets": create_secrets,
        "finish": add_any_methods,
        "ready": expect_health,
        "describe": describe_environment,
        "code": print_code_hash,
        "check": check_api,
    }
    commands[command](*arguments)
