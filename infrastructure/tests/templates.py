"""The templates of this project, and parameters with which they can be deployed.

The variable TEMPLATES names another folder with template.yaml and infrastructure/, such as a checkout of an older commit.
"""

import functools
import os
import pathlib
import re

from cloudformation import Template, load
from sam_transform import transform

PROJECT = pathlib.Path(__file__).resolve().parents[2]
ROOT = pathlib.Path(os.environ.get("TEMPLATES", PROJECT))
FILES = ("template.yaml", *(f"infrastructure/{name}.yaml" for name in ("account", "vpc", "network", "database", "proxy", "worker", "watch", "watch-function")))
STAGES = ("dev", "prod")
SECRET = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:orderflow/name-AbCdEf"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:alarms"
# The functions of the API. MigrateFunction is not one of them: only CloudFormation calls it, and reports its failure, so
# it has no events of the gateway, no alarm, no reservation and no gradual rollout (test_migration.py).
FUNCTIONS = ("Start", "Signal", "Query", "Events", "Admin", "Webhook", "Web")
# The parameters without a usable default.
REQUIRED = {
    "ImageTag": "release-0123456789ab",
    "TemporalAddress": "eu-central-1.aws.api.temporal.io:7233",
    "ApiKeysSecretArn": SECRET,
    "StripeKeySecretArn": SECRET,
    "PaymentProvider": "stripe",
    "AlarmTopicArn": TOPIC,
}
# Every optional part. EXISTING_VPC and NO_BACKEND have the alternatives.
EVERYTHING = {
    "CarrierUrl": "https://bridge.example/v1",
    "CarrierSecretArn": SECRET,
    "AdyenKeySecretArn": SECRET,
    "AdyenMerchantAccount": "Shop",
    "BackupKeyArn": "arn:aws:kms:eu-west-1:123456789012:key/backup",
    "CertificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/api",
    "Collector": "cloudwatch",
    "DatabaseKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/database",
    "DatabaseProxy": "true",
    "DomainName": "api.example.com",
    "EventBusName": "shop",
    "FlowLogs": "true",
    "GatewayApiKeys": "required",
    "HostedZoneId": "Z1",
    "MailFrom": "Shop <orders@example.com>",
    "MonthlyBudget": "800",
    "ProvisionedConcurrency": "5",
    "SecretsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/secrets",
    "ServiceEndpoints": "true",
    "SmtpUrlSecretArn": SECRET,
    "TemporalApiKeySecretArn": SECRET,
    "Tracing": "Active",
    "WebAclArn": "arn:aws:wafv2:eu-central-1:123456789012:regional/webacl/shop/1234",
    "WebhookSecretsArn": SECRET,
}
EXISTING_VPC = {
    "Collector": "prometheus",
    "FlowLogs": "false",
    "PrometheusWorkspaceArn": "arn:aws:aps:eu-central-1:123456789012:workspace/ws-1",
    "ServiceEndpoints": "false",
    "SubnetIds": "subnet-0a,subnet-0b",
    "TemporalEndpointService": "com.amazonaws.vpce.eu-central-1.vpce-svc-0a1b",
    "VpcId": "vpc-0a1b",
}
NO_BACKEND = {
    "BackupKeyArn": "",
    "DatabaseKeyArn": "",
    "DatabaseProxy": "false",
    "DatabaseUrlSecretArn": SECRET,
    "DeployBackend": "false",
}
# Each resource of the templates is in one of these deployments.
VARIANTS = [
    EVERYTHING | network | {"Stage": stage, "Rollout": rollout}
    for stage in STAGES
    for rollout in ("AllAtOnce", "Canary10Percent5Minutes")
    for network in ({}, EXISTING_VPC)
]
VARIANTS.append(EVERYTHING | EXISTING_VPC | NO_BACKEND)


@functools.cache
def document(name):
    return load(ROOT / name)


def main_template(region="eu-central-1", **parameters):
    """Returns template.yaml with the required parameters and `parameters`."""
    return Template(document("template.yaml"), REQUIRED | parameters, region)


@functools.cache
def transformed_template(**parameters):
    """Returns template.yaml after SAM's transform, as CloudFormation deploys it."""
    values = REQUIRED | parameters
    return Template(transform(document("template.yaml"), values), values)


def deployment(**parameters):
    """Returns all templates of a deployment after SAM's transform, by their paths."""
    main = transformed_template(**parameters)
    stacks = main.of_type("AWS::CloudFormation::Stack").values()
    nested = {stack["TemplateURL"]: Template(document(stack["TemplateURL"]), stack["Parameters"]) for stack in stacks}
    return {"template.yaml": main} | nested


def nested_template(name, main=None, **parameters):
    """Returns a nested template with the parameters that `main`, a template.yaml, passes to it."""
    main = main or main_template()
    passed = main.properties(name.capitalize())["Parameters"]
    return Template(document(f"infrastructure/{name}.yaml"), passed | parameters)


def alarms(main):
    """Returns all alarms of a deployment."""
    stacks = main.of_type("AWS::CloudFormation::Stack").values()
    found = []
    for stack in stacks:
        template = Template(document(stack["TemplateURL"]), stack["Parameters"])
        for kind in ("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"):
            found += template.of_type(kind).values()
    return found


def read(name):
    return (ROOT / name).read_text()


def headings(page):
    """Returns the headings of a Markdown page."""
    return [match.group(1) for match in re.finditer(r"^#+ (.+)$", read(page), re.MULTILINE)]
