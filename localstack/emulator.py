"""What deploy.sh asks of an emulator of AWS, and the walk through the API that it deployed.

    wait               until it answers
    secrets STACK      makes the secrets of the stack in its Secrets Manager; prints their ARNs as a shell reads them
    walk STACK         an order to delivered, a signed webhook, refusals, by the address of the stack's REST API
    clean STACK        takes stack and secrets away
"""

import base64, hashlib, hmac, json, os, secrets, sys, time, urllib.error, urllib.request
import boto3
from botocore.exceptions import BotoCoreError, ClientError

ENDPOINT = os.environ["AWS_ENDPOINT_URL"].rstrip("/")
SCOPES = "orders:read,orders:write,orders:operate"


def wait():
    end = time.time() + 60
    while True:
        try:
            return boto3.client("sts").get_caller_identity()
        except (BotoCoreError, ClientError) as error:
            if time.time() > end:
                sys.exit(f"nothing that AWS is answers at {ENDPOINT}: {error}")
            time.sleep(0.2)


def names(stack):
    return {each: f"{stack}/{each}" for each in ("database-url", "api-keys", "webhooks", "callers-key")}


def make_secrets(stack):
    # As `orderflow api-key create` makes it: the API has the hash, the caller the key.
    key = "ofk_" + secrets.token_urlsafe(32)
    line = f"walk:{hashlib.sha256(key.encode()).hexdigest()}:{SCOPES}"
    signing = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    texts = {
        "database-url": os.environ["DATABASE_URL"],
        "api-keys": API_KEYS_LINE(key),
        "webhooks": f"WEBHOOK_SECRETS_STANDARD={signing}\n",
        "callers-key": key,
    }
    manager = boto3.client("secretsmanager")
    for each, name in names(stack).items():
        arn = manager.create_secret(Name=name, SecretString=texts[each])["ARN"]
        print(f"{each.replace('-', '_').upper()}{'' if each == 'webhooks' else ''}_SECRET_ARN={arn}")
