"""Deploys the whole template into MiniStack and checks it, for backend.sh.

    backend.py FOLDER     Creates, updates, rolls back and deletes stacks of the template in FOLDER.
"""

import hashlib
import json
import os
import pathlib
import platform
import subprocess
import sys

import boto3
from botocore.exceptions import ClientError
from database import OWNER, OwnedDatabase
from emulator import ENDPOINT
from stacks import Stack, expect
from substitutions import load, substitute

BUCKET = "templates"
STACK = "orderflow"
FUNCTIONS = [f"{name}Function" for name in ("Start", "Signal", "Query", "Events", "Admin", "Webhook", "Web")]
MIGRATIONS = list((pathlib.Path(__file__).resolve().parent.parent / "migrations").glob("*.sql"))
UNPROVEN = """A pass does not prove, because the emulator lacks or ignores it:
  - the permissions of the roles, and whether ECS may assume them
  - quotas, rates, time-outs and the reserved concurrency of functions
  - gradual rollouts and alarms: it has no CodeDeploy, evaluates no alarm and lacks alarms on an expression
  - deletion protection, termination protection and the stack policy
  - real images, programs, health checks and the circuit breaker of ECS, which has no container to watch
  - the subnets and security groups of the functions, which it drops
  - the scaling of the workers, NAT gateways, separate rules of security groups and the secret of its owner
  - RDS itself, its parameters, its certificates and its IAM tokens; the migrations use a PostgreSQL of the local stack
  - the deletion policies of nested stacks
  - the return of a nested stack to its previous task definition: MiniStack registers an equal one
  - the repetition of events by Lambda, and the address of the response in S3"""

ecs, rds, s3, logs, ec2 = (boto3.client(name) for name in ("ecs", "rds", "s3", "logs", "ec2"))
functions, alarms = boto3.client("lambda"), boto3.client("cloudwatch")


def step(text):
    print(f"-- {text}")


def create_secret(name, text="not-a-secret"):
    return boto3.client("secretsmanager").create_secret(Name=f"{STACK}/{name}", SecretString=text)["ARN"]


def worker_service(worker):
    name = worker.output("Service")
    return ecs.describe_services(cluster=worker.output("Cluster"), services=[name])["services"][0]


def image_tag(task_definition):
    definition = ecs.describe_task_definition(taskDefinition=task_definition)["taskDefinition"]
    return definition["containerDefinitions"][0]["image"].rsplit(":", 1)[1]


def check_release(stack, tag):
    """Expects that workers and functions are of the release."""
    worker = stack.nested("Worker")
    expect("image of the service", image_tag(worker_service(worker)["taskDefinition"]), tag)
    for name in (*FUNCTIONS, "MigrateFunction"):
        function = stack.resource(name)
        found = functions.get_function_configuration(FunctionName=function, Qualifier="live")
        expect(f"release of {name}", found["Environment"]["Variables"]["RELEASE"], tag)
        # Only the version of the alias remains.
        versions = [each["Version"] for each in functions.list_versions_by_function(FunctionName=function)["Versions"]]
        alias = functions.get_alias(FunctionName=function, Name="live")["FunctionVersion"]
        expect(f"versions of {name}", versions, ["$LATEST", alias])


def find_database(stack):
    return rds.describe_db_instances(DBInstanceIdentifier=stack.output("Database"))["DBInstances"][0]


def check_database(stack, protected):
    database = find_database(stack)
    wanted = {
        "Engine": "postgres",
        "DBInstanceClass": "db.m7g.large",
        "AllocatedStorage": 100,
        "StorageEncrypted": True,
        "MultiAZ": True,
        "PubliclyAccessible": False,
        "IAMDatabaseAuthenticationEnabled": True,
        "BackupRetentionPeriod": 14,
        "DeletionProtection": protected,
    }
    for name, value in wanted.items():
        expect(f"database {name}", database.get(name), value)


def check_resources(stack):
    check_database(stack, protected=False)
    service = worker_service(stack.nested("Worker"))
    deployment = service["deploymentConfiguration"]
    expect("circuit breaker", deployment["deploymentCircuitBreaker"], {"enable": True, "rollback": True})
    # MiniStack keeps the type of a template's parameter, which is a text.
    expect("minimum percent of workers", int(deployment["minimumHealthyPercent"]), 100)
    expect("maximum percent of workers", int(deployment["maximumPercent"]), 150)
    expect("launch type", service["launchType"], "FARGATE")
    network = service["networkConfiguration"]["awsvpcConfiguration"]
    expect("subnets", ",".join(network["subnets"]), stack.output("PrivateSubnets"))
    expect("public address", network["assignPublicIp"], "DISABLED")

    pages = alarms.get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{STACK}: ")
    found = {each["AlarmName"]: each for page in pages for each in page["MetricAlarms"]}
    for text in ("Orders are late", "The database is unreachable", "Temporal is unreachable", "No worker"):
        alarm = found.get(f"{STACK}: {text}") or sys.exit(f"alarm {text!r}: is missing; found {sorted(found)}")
        expect(f"alarm {text!r} without data", alarm["TreatMissingData"], "breaching")
        expect(f"alarm {text!r} notifies", len(alarm["AlarmActions"]), 1)
    for name in FUNCTIONS:
        configuration = functions.get_function_configuration(FunctionName=stack.resource(name))
        expect(f"state of {name}", configuration["State"], "Active")
    address = find_database(stack)["Endpoint"]["Address"]
    for name in ("QueryFunction", "EventsFunction", "AdminFunction"):
        variables = functions.get_function_configuration(FunctionName=stack.resource(name))["Environment"]["Variables"]
        expect(f"{name} reads the database", f"@{address}:5432/" in variables["DATABASE_URL"], True)
        expect(f"{name} logs in with a token", variables["DATABASE_IAM_AUTH"], "on")


def check_order(stack):
    """Expects that the update changed first the schema, then the workers, then the functions."""
    migrated = stack.position("Migration", "UPDATE_COMPLETE")
    expect("the workers follow the migrations", stack.position("Worker", "UPDATE_IN_PROGRESS") > migrated, True)
    updated = stack.position("Worker", "UPDATE_COMPLETE")
    for name in FUNCTIONS:
        expect(f"{name} follows the workers", stack.position(name, "UPDATE_IN_PROGRESS") > updated, True)
        function, alias = (stack.position(each, "UPDATE_COMPLETE") for each in (name, f"{name}Aliaslive"))
        expect(f"the alias follows {name}", alias > function, True)


def main_parameters():
    return {
        "Stage": "prod",
        "DeployBackend": "true",
        "Architecture": {"aarch64": "arm64"}.get(platform.machine(), platform.machine()),
        "TemporalAddress": os.environ["TEMPORAL_ADDRESS"],
        "TemporalNamespace": os.environ.get("TEMPORAL_NAMESPACE", "default"),
        "TemporalApiKeySecretArn": create_secret("temporal"),
        # The server of a local stack has no TLS.
        "TemporalTls": "false",
        "AwsEndpointUrl": ENDPOINT,
        "ApiKeysSecretArn": create_secret("api-keys"),
        "WebhookSecretsArn": create_secret("webhooks"),
        "PaymentProvider": "stripe",
        "StripeKeySecretArn": create_secret("stripe"),
        "AlarmTopicArn": boto3.client("sns").create_topic(Name="alarms")["TopicArn"],
    }


def upload(template, tag):
    """Uploads the template of a release and returns its URL. ReleaseId differs for each release, as with release.sh.

    MiniStack applies SAM's transform with the defaults of parameters, so the id is the default of its parameter.
    """
    document = load(template)
    document["Parameters"]["ReleaseId"]["Default"] = hashlib.sha256(tag.encode()).hexdigest()
    s3.put_object(Bucket=BUCKET, Key=f"{tag}.json", Body=json.dumps(document).encode())
    return f"{ENDPOINT}/{BUCKET}/{tag}.json"


def failure(stack, status):
    """Returns the reason why the migration failed."""
    return next(event[2] for event in stack.events() if event[:2] == ("Migration", status))


def rehearse_failed_creation(stack, url, parameters, database, tag):
    step("a first creation whose migration fails")
    # A table of another program is in the way.
    database.run("create table orders (id text)")
    stack.create(url, parameters | {"ImageTag": tag}, "ROLLBACK_COMPLETE")
    reason = failure(stack, "CREATE_FAILED")
    print(f"  reason: {reason}")
    for part in ("migration 0001: SQLSTATE 42P07", "docs/runbook.md", "log group "):
        expect(f"the reason has {part!r}", part in reason, True)
    expect("worker", [event for event in stack.events() if event[0] == "Worker"], [])
    expect("applied migrations", database.migrations(), 0)
    stack.delete()
    database.run("drop table orders")


def rehearse_creation(stack, url, parameters, database, tag):
    step("creation")
    stack.create(url, parameters | {"ImageTag": tag})
    for name in ("Network", "Database", "Worker", "Watch"):
        expect(f"nested stack {name}", stack.nested(name).describe()["StackStatus"], "CREATE_COMPLETE")
    expect("applied migrations", database.migrations(), len(MIGRATIONS))
    expect("the reader may read", database.reader_may_read_orders(), True)
    check_resources(stack)
    check_release(stack, tag)


def rehearse_update(stack, url, parameters, database, tag):
    step("an update with another image")
    worker = stack.nested("Worker")
    before = worker_service(worker)["taskDefinition"]
    # Each release grants the rights again.
    database.run("revoke select on orders from orderflow_reader")
    stack.update(url, parameters | {"ImageTag": tag})
    expect("the reader may read", database.reader_may_read_orders(), True)
    expect("new task definition", worker_service(worker)["taskDefinition"] != before, True)
    check_order(stack)
    check_release(stack, tag)
    check_database(stack, protected=True)


def rehearse_collector(stack, url, parameters, tag):
    step("an update that adds a collector to the workers, and one that removes it")
    with_collector = f"{tag}-collector", "cloudwatch", ["worker", "collector"]
    for image, destination, expected in (with_collector, (tag, "off", ["worker"])):
        stack.update(url, parameters | {"ImageTag": image, "Collector": destination})
        worker = stack.nested("Worker")
        task = worker_service(worker)["taskDefinition"]
        containers = ecs.describe_task_definition(taskDefinition=task)["taskDefinition"]["containerDefinitions"]
        expect(f"containers with Collector={destination}", [each["name"] for each in containers], expected)


def rehearse_failure(stack, url, parameters, database, tag, previous):
    """Releases a build whose migrations fail. Those of the previous build would fail as well, so the rollback must not run
    them."""
    step("an update whose migration fails")
    database.run(
        "update _sqlx_migrations set checksum = 'x'::bytea || checksum where version = 1",
        "revoke select on orders from orderflow_reader",
    )
    stack.update(url, parameters | {"ImageTag": tag}, "UPDATE_ROLLBACK_COMPLETE")
    reason = failure(stack, "UPDATE_FAILED")
    expect("the reason has the cause", "migration 1 was previously applied but has been modified" in reason, True)
    failed = stack.position("Migration", "UPDATE_FAILED")
    expect("migration of the rollback", stack.position("Migration", "UPDATE_COMPLETE") > failed, True)
    expect("the rollback changed no right", database.reader_may_read_orders(), False)
    check_release(stack, previous)


def rehearse_repetition(stack, url, parameters, database, tag):
    step("the same release, after the cause of the failure is removed")
    database.run("update _sqlx_migrations set checksum = substring(checksum from 2) where version = 1")
    stack.update(url, parameters | {"ImageTag": tag})
    expect("the reader may read", database.reader_may_read_orders(), True)
    check_release(stack, tag)


def create_alone(stack, templates, name, **changes):
    """Creates the stack of a nested template without a parent, with the parameters that the parent passes, and `changes`."""
    nested = stack.nested(name).describe()["Parameters"]
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in nested} | changes
    alone = Stack(f"{STACK}-{name.lower()}-alone")
    alone.create(templates[name], parameters)
    return alone, parameters


def check_guard(worker):
    """Expects that an alarm guards the deployments of the service, and that it exists before the service."""
    guard = worker_service(worker)["deploymentConfiguration"]["alarms"]
    expect("alarms of the deployments", guard, {"alarmNames": [f"{STACK}-alone: A release fails (worker)"], "enable": True, "rollback": True})
    found = alarms.describe_alarms(AlarmNames=guard["alarmNames"])["MetricAlarms"]
    expect("existing alarms", len(found), 1)
    created = worker.position("ReleaseFails", "CREATE_COMPLETE")
    expect("the service follows its alarm", worker.position("Service", "CREATE_IN_PROGRESS") > created, True)


def rehearse_guard(stack, templates):
    step("the worker without a parent: an alarm that guards its deployments")
    worker, _ = create_alone(stack, templates, "Worker", Guarded="true", Deployment=f"{STACK}-alone")
    check_guard(worker)
    group = worker.output("Logs")
    worker.delete()
    expect_log_group(group)


def rehearse_snapshot(stack, templates):
    """Deletes a stack of the database. MiniStack ignores the deletion policies of nested stacks."""
    step("the database without a parent: deletion")
    database, _ = create_alone(stack, templates, "Database")
    name = database.output("Name")
    database.delete()
    expect_absent("database", lambda: rds.describe_db_instances(DBInstanceIdentifier=name))
    snapshots = rds.describe_db_snapshots(DBInstanceIdentifier=name)["DBSnapshots"]
    expect("final snapshots", len(snapshots), 1)


def rehearse_deletion(stack):
    step("deletion")
    database, cluster = stack.output("Database"), stack.output("Cluster")
    function, group = stack.resource("StartFunction"), stack.resource("StartLogs")
    stack.delete()
    expect_log_group(group)
    expect_absent("database", lambda: rds.describe_db_instances(DBInstanceIdentifier=database))
    expect_absent("function", lambda: functions.get_function_configuration(FunctionName=function))
    clusters = ecs.describe_clusters(clusters=[cluster])["clusters"]
    expect("active clusters", [each["clusterName"] for each in clusters if each["status"] == "ACTIVE"], [])


def rehearse_existing_network(url, parameters, database, tag):
    """Deploys into a VPC that another team owns: everything, then functions only."""
    step("an existing network")
    vpc = ec2.create_vpc(CidrBlock="10.50.0.0/16")["Vpc"]["VpcId"]
    blocks = {"10.50.1.0/24": "us-east-1a", "10.50.2.0/24": "us-east-1b"}
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=block, AvailabilityZone=zone)["Subnet"]["SubnetId"]
        for block, zone in blocks.items()
    ]
    before = {each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]}
    network = {"VpcId": vpc, "SubnetIds": ",".join(subnets), "ServiceEndpoints": "true", "ImageTag": tag}
    stack = Stack(f"{STACK}-existing")
    stack.create(url, parameters | network)
    expect("applied migrations", database.migrations(), len(MIGRATIONS))
    expect("new networks", {each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]} - before, set())
    placed = worker_service(stack.nested("Worker"))["networkConfiguration"]["awsvpcConfiguration"]["subnets"]
    expect("subnets of the workers", placed, subnets)
    group = find_database(stack)["DBSubnetGroup"]
    expect("subnets of the database", sorted(each["SubnetIdentifier"] for each in group["Subnets"]), sorted(subnets))
    endpoints = ec2.describe_vpc_endpoints(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["VpcEndpoints"]
    expect("endpoints", len(endpoints), 4)
    check_groups(stack, vpc)
    stack.delete()

    step("functions only, in an existing network")
    functions_only = {"DeployBackend": "false", "DatabaseUrlSecretArn": create_secret("database")}
    stack = Stack(f"{STACK}-functions")
    stack.create(url, parameters | network | functions_only)
    check_groups(stack, vpc)
    stack.delete()
    expect("networks that remain", {each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"]}, before)


def check_groups(stack, vpc):
    """Expects that the security groups of the functions are in the VPC."""
    for name in ("FunctionsGroup", "ReadersGroup"):
        [group] = ec2.describe_security_groups(GroupIds=[stack.output(name)])["SecurityGroups"]
        expect(f"network of {name}", group["VpcId"], vpc)


def expect_log_group(name):
    groups = logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    expect("log groups that remain", [each["logGroupName"] for each in groups], [name])


def expect_absent(what, find):
    try:
        found = find()
    except ClientError as error:
        print(f"  {what}: {error.response['Error']['Code']}")
    else:
        sys.exit(f"{what}: still exists: {found}")


def package(folder, database):
    """Returns the file of the packaged template."""
    s3.create_bucket(Bucket=BUCKET)
    secret = create_secret("rds-owner", json.dumps({"username": OWNER, "password": database.password}))
    address = f"postgres://{OWNER}@{database.host}:{database.port}/{database.name}"
    substitute(folder, secret=secret, database=address)
    output = folder / "packaged.yaml"
    command = [os.environ["SAM"], "package", "--template-file", folder / "template.yaml", "--s3-bucket", BUCKET]
    command += ["--region", "us-east-1", "--no-progressbar", "--output-template-file", output]
    packaged = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if packaged.returncode:
        sys.exit(packaged.stdout)
    return output


def deploy(folder, database):
    template = package(folder, database)
    resources = load(template)["Resources"]
    templates = {name: resources[name]["Properties"]["TemplateURL"] for name in ("Database", "Worker")}
    stack = Stack(STACK)
    parameters = main_parameters()
    protected = parameters | {"ProtectDatabase": "true"}
    rehearse_failed_creation(stack, upload(template, "release-0"), parameters, database, "release-0")
    rehearse_creation(stack, upload(template, "release-1"), parameters, database, "release-1")
    rehearse_update(stack, upload(template, "release-2"), protected, database, "release-2")
    rehearse_collector(stack, upload(template, "release-2"), protected, "release-2")
    rehearse_failure(stack, upload(template, "release-3"), protected, database, "release-3", previous="release-2")
    rehearse_repetition(stack, upload(template, "release-3"), protected, database, "release-3")
    rehearse_guard(stack, templates)
    rehearse_snapshot(stack, templates)
    # A deletion does not use the database.
    database.drop()
    rehearse_deletion(stack)
    database.create()
    rehearse_existing_network(upload(template, "release-1"), parameters, database, "release-1")
    print(UNPROVEN)


if __name__ == "__main__":
    with OwnedDatabase(os.environ["DATABASE_URL"]) as owned:
        deploy(pathlib.Path(sys.argv[1]), owned)
