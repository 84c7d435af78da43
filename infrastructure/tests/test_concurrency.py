"""Concurrency: a reservation for each function, and rates that fit them."""

import re
import unittest

from templates import FUNCTIONS, STAGES, main_template, read

# The planned seconds of a call, as the mapping Rates documents them.
PLANNED = {"Start": 0.5, "Signal": 0.5, "Webhook": 0.5, "Query": 0.1, "Events": 0.1, "Admin": 0.05, "Web": 0.005}
# Lambda keeps at least this concurrency without a reservation.
UNRESERVED = 100
# A quota of most accounts, and Lambda's default.
ACCOUNT = 1000
OFF = {"Readers": "0", "StartConcurrency": "0", "SignalConcurrency": "0", "WebhookConcurrency": "0", "AdminConcurrency": "0", "WebConcurrency": "0"}


def reservations(main):
    return {name: main.properties(f"{name}Function").get("ReservedConcurrentExecutions") for name in PLANNED}


def routes(main, name):
    """Returns the methods of a function as (method, path)."""
    return [(each["Properties"]["Method"], each["Properties"]["Path"]) for each in main.properties(f"{name}Function")["Events"].values()]


def rate(main, method, path):
    """Returns the calls per second of a method: its own limit, or that of all methods."""
    settings = main.properties("Api")["MethodSettings"]
    own = {(each["HttpMethod"], each["ResourcePath"]): each for each in settings}
    found = own.get((method, "/" + path.replace("/", "~1")), own["*", "/*"])
    assert found["ThrottlingRateLimit"] == found["ThrottlingBurstLimit"]
    return int(found["ThrottlingRateLimit"])


class Concurrency(unittest.TestCase):
    def test_each_function_of_the_api_has_a_plan(self):
        self.assertEqual(set(PLANNED), set(FUNCTIONS))

    def test_rate_times_planned_time_is_within_the_reservation(self):
        for stage in STAGES:
            calls = {"dev": "20", "prod": "200"}[stage]
            main = main_template(Stage=stage, CallsPerSecond=calls)
            for name, reserved in reservations(main).items():
                with self.subTest(stage=stage, function=name):
                    total = sum(rate(main, *each) for each in routes(main, name))
                    self.assertLessEqual(round(total * PLANNED[name], 3), int(reserved))

    def test_functions_cannot_use_up_the_account_while_each_call_times_out(self):
        for stage in STAGES:
            with self.subTest(stage):
                reserved = reservations(main_template(Stage=stage))
                self.assertTrue(all(reserved.values()), reserved)
                self.assertLessEqual(sum(map(int, reserved.values())) + UNRESERVED, ACCOUNT)

    def test_dev_and_prod_fit_into_one_account(self):
        total = sum(int(each) for stage in STAGES for each in reservations(main_template(Stage=stage)).values())
        self.assertLessEqual(total + UNRESERVED, ACCOUNT)

    def test_each_method_of_a_slow_function_has_its_own_limit(self):
        main = main_template(CallsPerSecond="12345")
        for name in set(PLANNED) - {"Web"}:
            for method, path in routes(main, name):
                self.assertNotEqual(rate(main, method, path), 12345, f"{method} {path}")

    def test_each_limit_belongs_to_a_route(self):
        main = main_template()
        known = {("*", "/*")} | {(method, "/" + path.replace("/", "~1")) for name in PLANNED for method, path in routes(main, name)}
        self.assertEqual({(each["HttpMethod"], each["ResourcePath"]) for each in main.properties("Api")["MethodSettings"]} - known, set())

    def test_zero_reserves_nothing(self):
        for stage in STAGES:
            self.assertEqual(set(reservations(main_template(Stage=stage, **OFF)).values()), {None})

    def test_number_replaces_that_of_the_stage(self):
        for name in ("Start", "Signal", "Admin", "Webhook", "Web"):
            changed = reservations(main_template(Stage="prod", **{f"{name}Concurrency": "7"}))
            self.assertEqual(changed[name], "7")
            self.assertNotIn("7", [each for other, each in changed.items() if other != name])

    def test_planned_times_are_those_of_the_template(self):
        [line] = re.findall(r"# Planned seconds: (.*)\.$", read("template.yaml"), re.MULTILINE)
        self.assertEqual({name.capitalize(): float(seconds) for name, seconds in (each.split() for each in line.split(", "))}, PLANNED)
