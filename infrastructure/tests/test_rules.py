"""Combinations of parameters that would lead to a failed or a dangerous deployment are rejected before it starts."""

import re
import subprocess
import unittest

from templates import PROJECT, SECRET, main_template, nested_template, read


class Rules(unittest.TestCase):
    def assert_rejected(self, mention, **parameters):
        violated = main_template(**parameters).violated_rules()
        self.assertTrue(any(mention in each for each in violated), f"{parameters}: {violated}")

    def assert_accepted(self, **parameters):
        self.assertEqual(main_template(**parameters).violated_rules(), [])

    def test_required_parameters_are_sufficient(self):
        self.assert_accepted(Stage="dev")
        self.assert_accepted(Stage="prod")

    def test_production_needs_a_payment_provider(self):
        self.assert_rejected("AllowSimulator=yes", Stage="prod", PaymentProvider="simulator")
        self.assert_accepted(Stage="prod", PaymentProvider="simulator", AllowSimulator="yes")
        self.assert_accepted(Stage="dev", PaymentProvider="simulator")

    def test_mail_server_needs_a_sender(self):
        self.assert_rejected("MailFrom", SmtpUrlSecretArn=SECRET)
        self.assert_accepted(SmtpUrlSecretArn=SECRET, MailFrom="Shop <orders@example.com>")
        # Without a mail server, a sender is not used.
        self.assert_accepted(MailFrom="Shop <orders@example.com>")

    def test_certificate_authority_of_temporal_needs_tls(self):
        self.assert_rejected("TemporalTls", TemporalCaSecretArn=SECRET, TemporalTls="false")
        self.assert_accepted(TemporalCaSecretArn=SECRET, TemporalTls="true")

    def test_production_needs_a_topic_for_alarms(self):
        self.assert_rejected("AlarmTopicArn", Stage="prod", AlarmTopicArn="")
        self.assert_accepted(Stage="dev", AlarmTopicArn="")

    VPC = {"VpcId": "vpc-0a", "SubnetIds": "subnet-0a,subnet-0b"}
    KEY = "arn:aws:kms:eu-west-1:123456789012:key/0a1b"
    FUNCTIONS_ONLY = {"DeployBackend": "false", "DatabaseUrlSecretArn": SECRET}

    def test_existing_network_excludes_options_of_an_own_one(self):
        self.assert_accepted(**self.VPC)
        self.assert_accepted(**self.VPC, **self.FUNCTIONS_ONLY)
        self.assert_rejected("VpcId needs SubnetIds", VpcId="vpc-0a")
        self.assert_rejected("SubnetIds needs VpcId", SubnetIds="subnet-0a,subnet-0b")
        self.assert_rejected("Cidr", **self.VPC, Cidr="10.43.0.0/16")
        self.assert_rejected("Zones", **self.VPC, Zones="eu-central-1a,eu-central-1b")
        self.assert_rejected("FlowLogs", **self.VPC, FlowLogs="true")

    def test_vpc_needs_two_subnets(self):
        pattern = main_template().document["Parameters"]["SubnetIds"]["AllowedPattern"]
        self.assertIsNone(re.fullmatch(pattern, "subnet-0a"))
        self.assertIsNotNone(re.fullmatch(pattern, "subnet-0a,subnet-0b,subnet-0c"))

    def test_endpoints_need_a_network(self):
        service = "com.amazonaws.vpce.eu-central-1.vpce-svc-0a1b"
        self.assert_accepted(TemporalEndpointService=service)
        self.assert_accepted(TemporalEndpointService=service, ServiceEndpoints="true", **self.VPC, **self.FUNCTIONS_ONLY)
        self.assert_rejected("TemporalEndpointService", TemporalEndpointService=service, **self.FUNCTIONS_ONLY)
        self.assert_rejected("ServiceEndpoints", ServiceEndpoints="true", **self.FUNCTIONS_ONLY)

    def test_options_of_the_database_need_a_backend(self):
        for name, value in (("DatabaseProxy", "true"), ("BackupKeyArn", self.KEY), ("DatabaseKeyArn", self.KEY), ("Workers", "stopped")):
            with self.subTest(name):
                self.assert_accepted(**{name: value})
                self.assert_rejected(name, **{name: value}, **self.FUNCTIONS_ONLY)

    def test_private_api_needs_endpoints_and_has_no_domain(self):
        private = {"EndpointType": "PRIVATE", "VpcEndpointIds": "vpce-0a"}
        domain = {"DomainName": "api.example.com", "CertificateArn": "arn"}
        self.assert_accepted(**private)
        self.assert_rejected("VpcEndpointIds", EndpointType="PRIVATE")
        self.assert_rejected("EndpointType=PRIVATE", VpcEndpointIds="vpce-0a")
        self.assert_rejected("DomainName", **private, **domain)

    def test_default_address_is_disabled_only_with_a_domain(self):
        self.assert_rejected("DomainName", DisableExecuteApiEndpoint="true")
        self.assert_accepted(DisableExecuteApiEndpoint="true", DomainName="api.example.com", CertificateArn="arn")
        self.assert_rejected("HostedZoneId needs DomainName", HostedZoneId="Z1")


class Regions(unittest.TestCase):
    """The database's certificate authorities, infrastructure/certificates/rds.pem, have one root for each region."""

    def certified_regions(self):
        text = (PROJECT / "infrastructure/certificates/rds.pem").read_text()
        regions = set()
        for certificate in re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", text, re.DOTALL):
            command = ["openssl", "x509", "-noout", "-subject", "-nameopt", "RFC2253"]
            subject = subprocess.run(command, input=certificate, capture_output=True, text=True, check=True).stdout
            regions.update(re.findall(r"CN=Amazon RDS ([a-z]+-[a-z]+-\d) Root CA RSA2048 G1", subject))
        return regions

    def rejected(self, region, **parameters):
        return any("region" in each for each in main_template(region, **parameters).violated_rules())

    def test_exactly_the_regions_of_the_certificates_are_accepted(self):
        certified = self.certified_regions()
        self.assertGreater(len(certified), 20)
        others = {
            "il-central-1", "ca-west-1", "ap-southeast-5", "ap-southeast-7", "mx-central-1", "ap-east-2",
            "us-gov-west-1", "us-gov-east-1", "cn-north-1", "cn-northwest-1",
        } - certified
        self.assertEqual([region for region in sorted(certified) if self.rejected(region)], [])
        self.assertEqual([region for region in sorted(others) if not self.rejected(region)], [])

    def test_page_lists_exactly_the_regions_of_the_certificates(self):
        section = read("docs/deploy.md").split("### Regions\n")[1].split("\n## ")[0]
        self.assertEqual(set(re.findall(r"[a-z]{2}-[a-z]+-\d", section)), self.certified_regions())

    def test_deployment_without_backend_needs_no_certificate(self):
        self.assertFalse(self.rejected("il-central-1", DeployBackend="false", DatabaseUrlSecretArn=SECRET))


class SecurityGroups(unittest.TestCase):
    def test_rules_of_each_group_are_unique_for_every_port_of_temporal(self):
        # EC2 rejects a group with two equal rules.
        for port in (7233, 443, 465, 587, 5432):
            network = nested_template("network", main_template(TemporalAddress=f"temporal.example.com:{port}"))
            separate = network.of_type("AWS::EC2::SecurityGroupEgress").values()
            for name, group in network.of_type("AWS::EC2::SecurityGroup").items():
                with self.subTest(port=port, group=name):
                    rules = group["SecurityGroupEgress"] + [rule for rule in separate if rule["GroupId"] == name]
                    essential = [
                        tuple(sorted((key, str(value)) for key, value in rule.items() if key not in ("Description", "GroupId")))
                        for rule in rules
                    ]
                    self.assertEqual(len(essential), len(set(essential)))
                    if name in ("FunctionsGroup", "WorkerGroup"):
                        self.assertIn(str(port), [str(rule["FromPort"]) for rule in rules])


class TemporalTls(unittest.TestCase):
    PARAMETERS = {"TemporalTls": "true", "TemporalServerName": "temporal.internal", "TemporalCaSecretArn": SECRET}

    def test_functions_and_tasks_receive_the_certificate_authority(self):
        main = main_template(**self.PARAMETERS)
        variables = main.evaluate(main.document["Globals"]["Function"]["Environment"]["Variables"])
        self.assertEqual(variables["TEMPORAL_TLS"], "true")
        self.assertEqual(variables["TEMPORAL_TLS_SERVER_NAME"], "temporal.internal")
        self.assertEqual(variables["TEMPORAL_TLS_SERVER_CA_SECRET_ARN"], SECRET)
        worker = nested_template("worker", main)
        for name, task in worker.of_type("AWS::ECS::TaskDefinition").items():
            with self.subTest(name):
                [container] = task["ContainerDefinitions"]
                secrets = {each["Name"]: each["ValueFrom"] for each in container["Secrets"]}
                variables = {each["Name"]: each["Value"] for each in container["Environment"]}
                self.assertEqual(secrets["TEMPORAL_TLS_SERVER_CA_CERT_DATA"], SECRET)
                self.assertEqual(variables["TEMPORAL_TLS"], "true")
                self.assertEqual(variables["TEMPORAL_TLS_SERVER_NAME"], "temporal.internal")

    def test_ecs_may_read_the_certificate_authority(self):
        worker = nested_template("worker", main_template(TemporalCaSecretArn=f"{SECRET}-ca"))
        self.assertIn(f"{SECRET}-ca", str(worker.properties("StartRole")["Policies"]))


class EncryptionKey(unittest.TestCase):
    KEY = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"

    def may_decrypt(self, role):
        statements = [each for policy in role["Policies"] for each in policy["PolicyDocument"]["Statement"]]
        return [each["Resource"] for each in statements if each["Action"] == "kms:Decrypt"]

    def test_roles_that_read_secrets_may_decrypt_them(self):
        main = main_template(SecretsKeyArn=self.KEY, WebhookSecretsArn=SECRET)
        self.assertEqual(self.may_decrypt(main.properties("WebhookRole")), [self.KEY])
        self.assertEqual(self.may_decrypt(nested_template("worker", main).properties("StartRole")), [self.KEY])

    def test_no_role_may_decrypt_without_a_key(self):
        main = main_template(WebhookSecretsArn=SECRET)
        self.assertEqual(self.may_decrypt(main.properties("WebhookRole")), [])
        self.assertEqual(self.may_decrypt(nested_template("worker", main).properties("StartRole")), [])
