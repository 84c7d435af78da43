"""The network: its zones and its flow logs."""

import unittest

from templates import main_template, nested_template


def zones(**parameters):
    network = nested_template("network", main_template(**parameters))
    subnets = network.of_type("AWS::EC2::Subnet")
    return {name: subnet["AvailabilityZone"] for name, subnet in subnets.items()}


class Zones(unittest.TestCase):
    def test_first_two_zones_are_the_default(self):
        self.assertEqual(set(zones().values()), {"eu-central-1a", "eu-central-1b"})

    def test_given_zones_replace_them(self):
        given = zones(Zones="eu-central-1b,eu-central-1c")
        self.assertEqual(given["PublicSubnetA"], "eu-central-1b")
        self.assertEqual(given["PrivateSubnetA"], "eu-central-1b")
        self.assertEqual(given["PublicSubnetB"], "eu-central-1c")
        self.assertEqual(given["PrivateSubnetB"], "eu-central-1c")


class FlowLogs(unittest.TestCase):
    def flow_logs(self, **parameters):
        return nested_template("network", main_template(**parameters)).of_type("AWS::EC2::FlowLog")

    def test_flow_logs_are_optional(self):
        self.assertEqual(self.flow_logs(), {})
        [log] = self.flow_logs(FlowLogs="true").values()
        self.assertEqual(log["TrafficType"], "ALL")

    def test_flow_logs_expire(self):
        network = nested_template("network", main_template(FlowLogs="true", LogRetentionDays="60"))
        self.assertEqual(network.properties("FlowLogGroup")["RetentionInDays"], "60")
