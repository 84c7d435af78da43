"""Prints RDS tokens that boto3 signs for given times and credentials, as test vectors.

    "$(tools/venv.sh sam)/python" tests/rds-tokens/make.py >tests/rds-tokens/of-boto3.json

`.ci/run` regenerates the file and fails if a token has changed. The credentials are examples.
"""

import datetime
import json
import os
import unittest.mock

# Sign in Python, not in AWS's optional C runtime, which a machine may have.
os.environ["BOTO_DISABLE_CRT"] = "true"

import boto3

KEY = {"id": "AKIAIOSFODNN7EXAMPLE", "secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "session": None}
# Temporary credentials, as on Lambda and ECS, with all characters that are escaped in a query.
ROLE = {"id": "ASIAIOSFODNN7EXAMPLE", "secret": "a+b/c=d&e f%g", "session": "IQoJb3JpZ2luX2VjE+/=aZ09-_.~ &%:" * 20}
DATABASES = [
    ("orderflow.c1a2b3d4e5.eu-central-1.rds.amazonaws.com", 5432, "eu-central-1", "orderflow_worker"),
    ("orderflow.c1a2b3d4e5.us-east-1.rds.amazonaws.com", 6543, "us-east-1", "orderflow_reader"),
    ("localhost", 54321, "us-west-2", "Reader-1.of_orders"),
]
TIMES = ["2026-11-21T15:00:00Z", "2024-02-29T23:59:59Z", "2031-01-01T00:00:00Z"]


def sign_token(credentials, database, time):
    host, port, region, user = database
    session = boto3.Session(
        aws_access_key_id=credentials["id"],
        aws_secret_access_key=credentials["secret"],
        aws_session_token=credentials["session"],
        region_name=region,
    )
    now = datetime.datetime.fromisoformat(time.replace("Z", "+00:00"))
    with unittest.mock.patch("botocore.auth.get_current_datetime", lambda *_, **__: now):
        return session.client("rds").generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)


cases = [
    {"credentials": credentials, "host": database[0], "port": database[1], "region": database[2], "user": database[3],
     "time": time, "token": sign_token(credentials, database, time)}
    for credentials in (KEY, ROLE)
    for database in DATABASES
    for time in TIMES
]
print(json.dumps({"cases": cases}, indent=1))
