"""The network: its zones, addresses and flow logs, an existing network, and the allowed connections."""

import ipaddress
import re
import unittest

from templates import SECRET, document, main_template, nested_template

EXISTING = {"VpcId": "vpc-0a1b", "SubnetIds": "subnet-0a,subnet-0b,subnet-0c"}
FUNCTIONS_ONLY = {"DeployBackend": "false", "DatabaseUrlSecretArn": SECRET}
TEMPORAL_SERVICE = "com.amazonaws.vpce.eu-central-1.vpce-svc-0a1b2c3d"
IN_NETWORK = ("StartFunction", "SignalFunction", "QueryFunction", "EventsFunction", "AdminFunction", "WebhookFunction")


def network(**parameters):
    return nested_template("network", main_template(**parameters))


def outgoing(template, group):
    """Returns the outgoing connections of a security group, as (port, destination)."""
    inline = template.properties(group)["SecurityGroupEgress"]
    separate = [rule for rule in template.of_type("AWS::EC2::SecurityGroupEgress").values() if rule["GroupId"] == group]
    rules = [rule for rule in inline + separate if rule["IpProtocol"] == "tcp"]
    return {(int(rule["FromPort"]), rule.get("CidrIp") or str(rule["DestinationSecurityGroupId"])) for rule in rules}


def admitted(template, group, port):
    """Returns the security groups whose connections to a port a security group admits."""
    inline = template.properties(group).get("SecurityGroupIngress", [])
    separate = [rule for rule in template.of_type("AWS::EC2::SecurityGroupIngress").values() if rule["GroupId"] == group]
    return {rule["SourceSecurityGroupId"] for rule in inline + separate if rule["FromPort"] == port}


class Zones(unittest.TestCase):
    def zones(self, **parameters):
        vpc = nested_template("vpc", main_template(**parameters))
        return {name: subnet["AvailabilityZone"] for name, subnet in vpc.of_type("AWS::EC2::Subnet").items()}

    def test_first_two_zones_are_the_default(self):
        self.assertEqual(set(self.zones().values()), {"eu-central-1a", "eu-central-1b"})

    def test_given_zones_replace_them(self):
        given = self.zones(Zones="eu-central-1b,eu-central-1c")
        self.assertEqual(given["PublicSubnetA"], "eu-central-1b")
        self.assertEqual(given["PrivateSubnetA"], "eu-central-1b")
        self.assertEqual(given["PublicSubnetB"], "eu-central-1c")
        self.assertEqual(given["PrivateSubnetB"], "eu-central-1c")


class Addresses(unittest.TestCase):
    def blocks(self, **parameters):
        vpc = nested_template("vpc", main_template(**parameters))
        subnets = {name: ipaddress.ip_network(each["CidrBlock"]) for name, each in vpc.of_type("AWS::EC2::Subnet").items()}
        return ipaddress.ip_network(vpc.properties("Network")["CidrBlock"]), subnets

    def test_default_addresses_stay_as_they_are(self):
        # Another block would replace the subnets of an existing deployment, and its database.
        vpc, subnets = self.blocks()
        self.assertEqual(str(vpc), "10.42.0.0/16")
        self.assertEqual(
            {name: str(block) for name, block in subnets.items()},
            {
                "PublicSubnetA": "10.42.0.0/24",
                "PublicSubnetB": "10.42.1.0/24",
                "PrivateSubnetA": "10.42.16.0/20",
                "PrivateSubnetB": "10.42.32.0/20",
            },
        )

    def test_subnets_of_each_size_are_disjoint_parts(self):
        for prefix in range(16, 21):
            with self.subTest(prefix=prefix):
                vpc, subnets = self.blocks(Cidr=f"10.43.0.0/{prefix}")
                self.assertEqual(vpc.prefixlen, prefix)
                blocks = list(subnets.values())
                for number, block in enumerate(blocks):
                    self.assertTrue(block.subnet_of(vpc))
                    self.assertFalse(any(block.overlaps(other) for other in blocks[:number]))
                    # EC2 accepts /28 to /16, and keeps five addresses.
                    self.assertLessEqual(block.prefixlen, 28)

    def test_only_aligned_private_blocks_are_accepted(self):
        pattern = document("template.yaml")["Parameters"]["Cidr"]["AllowedPattern"]
        for block in ("10.42.0.0/16", "172.16.0.0/16", "172.31.240.0/20", "192.168.64.0/18", "10.1.128.0/17", "10.1.32.0/19"):
            with self.subTest(block):
                self.assertTrue(ipaddress.ip_network(block).is_private)
                self.assertRegex(block, f"^{pattern}$")
        for block in ("10.42.0.0/15", "10.42.0.0/21", "10.42.8.0/20", "10.42.64.0/17", "172.32.0.0/16", "8.8.0.0/16", "10.42.0.0"):
            with self.subTest(block):
                self.assertIsNone(re.fullmatch(pattern, block))


class FlowLogs(unittest.TestCase):
    def flow_logs(self, **parameters):
        return nested_template("vpc", main_template(**parameters)).of_type("AWS::EC2::FlowLog")

    def test_flow_logs_are_optional(self):
        self.assertEqual(self.flow_logs(), {})
        [log] = self.flow_logs(FlowLogs="true").values()
        self.assertEqual(log["TrafficType"], "ALL")

    def test_flow_logs_expire(self):
        vpc = nested_template("vpc", main_template(FlowLogs="true", LogRetentionDays="60"))
        self.assertEqual(vpc.properties("FlowLogGroup")["RetentionInDays"], "60")


class ExistingNetwork(unittest.TestCase):
    def test_stack_creates_no_vpc(self):
        self.assertTrue(main_template().exists("Vpc"))
        for parameters in (EXISTING, EXISTING | FUNCTIONS_ONLY, FUNCTIONS_ONLY):
            with self.subTest(**parameters):
                main = main_template(**parameters)
                self.assertEqual(main.violated_rules(), [])
                self.assertFalse(main.exists("Vpc"))
                self.assertNotIn("Vpc.", str([main.properties(name) for name in main.resources if main.exists(name)]))

    def test_every_part_is_in_the_given_subnets(self):
        main = main_template(**EXISTING)
        template = network(**EXISTING)
        self.assertEqual(template.evaluate(template.document["Outputs"]["PrivateSubnets"]["Value"]), EXISTING["SubnetIds"])
        for group in template.of_type("AWS::EC2::SecurityGroup").values():
            self.assertEqual(group["VpcId"], EXISTING["VpcId"])
        for name in ("Database", "Worker"):
            self.assertEqual(main.properties(name)["Parameters"]["Subnets"], "Network.Outputs.PrivateSubnets")
        for name in IN_NETWORK:
            self.assertEqual(main.properties(name)["VpcConfig"]["SubnetIds"], ["Network.Outputs.PrivateSubnets"])

    def test_functions_without_a_backend_can_be_in_a_network(self):
        main = main_template(**EXISTING, **FUNCTIONS_ONLY)
        for name in IN_NETWORK:
            with self.subTest(name):
                self.assertIn("VpcConfig", main.properties(name))
                role = main.properties(f"{name.removesuffix('Function')}Role")
                self.assertIn("Interfaces", role["ManagedPolicyArns"])
        self.assertTrue(main.exists("Interfaces"))
        # Their database is at a private address.
        allowed = outgoing(network(**EXISTING, **FUNCTIONS_ONLY), "ReadersGroup")
        self.assertEqual({port for port, _ in allowed}, {5432})
        self.assertTrue(all(ipaddress.ip_network(block).is_private for _, block in allowed))
        self.assertEqual(set(network(**EXISTING, **FUNCTIONS_ONLY).of_type("AWS::EC2::SecurityGroup")), {"FunctionsGroup", "ReadersGroup"})

    def test_functions_without_backend_and_network_are_in_no_vpc(self):
        main = main_template(**FUNCTIONS_ONLY)
        self.assertFalse(main.exists("Network"))
        for name in IN_NETWORK:
            self.assertNotIn("VpcConfig", main.properties(name))


class Endpoints(unittest.TestCase):
    SERVICES = {"secretsmanager", "ecr.api", "ecr.dkr", "logs"}

    def services(self, **parameters):
        endpoints = network(**parameters).of_type("AWS::EC2::VPCEndpoint").values()
        return {each["ServiceName"].removeprefix("com.amazonaws.eu-central-1.") for each in endpoints}

    def test_production_has_endpoints_in_its_own_network_only(self):
        self.assertEqual(self.services(Stage="prod"), self.SERVICES)
        self.assertEqual(self.services(Stage="dev"), set())
        # An existing network may have them, and a second one of the same service is rejected.
        self.assertEqual(self.services(Stage="prod", **EXISTING), set())

    def test_parameter_decides_if_it_is_given(self):
        self.assertEqual(self.services(Stage="dev", ServiceEndpoints="true"), self.SERVICES)
        self.assertEqual(self.services(Stage="prod", ServiceEndpoints="false"), set())
        self.assertEqual(self.services(Stage="prod", ServiceEndpoints="true", **EXISTING), self.SERVICES)

    def test_each_endpoint_admits_this_account_only(self):
        for name, endpoint in network(Stage="prod").of_type("AWS::EC2::VPCEndpoint").items():
            for statement in endpoint["PolicyDocument"]["Statement"]:
                with self.subTest(name):
                    self.assertEqual(statement["Condition"], {"StringEquals": {"aws:PrincipalAccount": "123456789012"}})

    def test_endpoint_of_s3_admits_images_and_custom_resources_only(self):
        statements = nested_template("vpc").properties("S3Endpoint")["PolicyDocument"]["Statement"]
        self.assertEqual(
            {each["Action"]: each["Resource"] for each in statements},
            {
                "s3:GetObject": "arn:aws:s3:::prod-eu-central-1-starport-layer-bucket/*",
                "s3:PutObject": "arn:aws:s3:::cloudformation-custom-resource-response-eucentral1/*",
            },
        )

    def test_function_of_a_custom_resource_can_respond(self):
        # It responds to CloudFormation by S3, which only the group of the worker reaches in production.
        main = main_template(Stage="prod")
        examined = 0
        for template in (main, nested_template("worker", main)):
            for resource in template.of_type("AWS::CloudFormation::CustomResource").values():
                function = template.properties(str(resource["ServiceToken"]).split(".")[0])
                groups = function.get("VpcConfig", {}).get("SecurityGroupIds", [])
                self.assertTrue(not groups or "Network.Outputs.WorkerGroup" in groups, groups)
                examined += 1
        self.assertGreater(examined, 0)


    def test_endpoints_admit_functions_and_worker(self):
        self.assertEqual(admitted(network(Stage="prod"), "EndpointsGroup", 443), {"FunctionsGroup", "WorkerGroup"})
        functions_only = network(ServiceEndpoints="true", **EXISTING, **FUNCTIONS_ONLY)
        self.assertEqual(admitted(functions_only, "EndpointsGroup", 443), {"FunctionsGroup"})


class OutgoingConnections(unittest.TestCase):
    ANY = "0.0.0.0/0"

    def test_functions_of_production_reach_temporal_and_endpoints_only(self):
        allowed = outgoing(network(Stage="prod", TemporalAddress="a.tmprl.cloud:7233"), "FunctionsGroup")
        self.assertEqual(allowed, {(7233, self.ANY), (443, "EndpointsGroup")})

    def test_functions_reach_the_key_set_of_an_issuer(self):
        jwt = {"ApiAuth": "jwt", "JwtIssuer": "i", "JwtAudience": "a", "JwtJwksUrl": "https://i/keys"}
        self.assertIn((443, self.ANY), outgoing(network(Stage="prod", **jwt), "FunctionsGroup"))

    def test_functions_without_endpoints_reach_secrets_manager(self):
        self.assertIn((443, self.ANY), outgoing(network(Stage="dev"), "FunctionsGroup"))
        self.assertIn((443, self.ANY), outgoing(network(Stage="prod", **EXISTING), "FunctionsGroup"))

    def test_worker_reaches_mail_servers_only_with_mail(self):
        with_mail = outgoing(network(SmtpUrlSecretArn=SECRET, MailFrom="a@example.com"), "WorkerGroup")
        self.assertEqual({port for port, _ in with_mail} & {465, 587}, {465, 587})
        self.assertEqual({port for port, _ in outgoing(network(), "WorkerGroup")} & {465, 587}, set())

    def test_only_the_worker_and_readers_reach_the_database(self):
        template = network(Stage="prod")
        reaching = {name for name in template.of_type("AWS::EC2::SecurityGroup") if (5432, "DatabaseGroup") in outgoing(template, name)}
        self.assertEqual(reaching, {"WorkerGroup", "ReadersGroup"})
        self.assertEqual(admitted(template, "DatabaseGroup", 5432), {"WorkerGroup", "ReadersGroup"})


class PrivateLink(unittest.TestCase):
    PARAMETERS = {"TemporalAddress": "shop.a1b2c.tmprl.cloud:7233", "TemporalEndpointService": TEMPORAL_SERVICE}

    def test_temporal_is_reached_through_the_endpoint_only(self):
        template = network(Stage="prod", **self.PARAMETERS)
        for group in ("FunctionsGroup", "WorkerGroup"):
            with self.subTest(group):
                allowed = outgoing(template, group)
                self.assertIn((7233, "TemporalEndpointGroup"), allowed)
                self.assertNotIn((7233, "0.0.0.0/0"), allowed)
        self.assertEqual(admitted(template, "TemporalEndpointGroup", "7233"), {"FunctionsGroup", "WorkerGroup"})

    def test_name_of_the_address_resolves_to_the_endpoint(self):
        # So programs keep the address, and verify the public certificate.
        template = network(Stage="prod", **self.PARAMETERS)
        self.assertEqual(template.properties("TemporalEndpoint")["ServiceName"], TEMPORAL_SERVICE)
        self.assertEqual(template.properties("TemporalZone")["Name"], "shop.a1b2c.tmprl.cloud")
        record = template.properties("TemporalRecord")
        self.assertEqual(record["Name"], "shop.a1b2c.tmprl.cloud")
        self.assertIn("TemporalEndpoint.DnsEntries", record["AliasTarget"]["DNSName"])
        self.assertEqual(template.properties("TemporalZone")["VPCs"][0]["VPCId"], "Vpc.Outputs.VpcId")

    def test_endpoint_is_optional_and_needs_no_backend(self):
        self.assertFalse(network().exists("TemporalEndpoint"))
        template = network(**self.PARAMETERS, **EXISTING, **FUNCTIONS_ONLY)
        self.assertTrue(template.exists("TemporalEndpoint"))
        self.assertFalse(template.exists("TemporalEndpointFromWorker"))
