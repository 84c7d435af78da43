"""Scaling of the workers: the policies, and a simulation with recorded status lines of a worker.

A worker of the queue `shipping` logged status-lines.jsonl with REPORT_EVERY=30s. `orderflow load` started 800 orders three
seconds after the third line, and no worker processed them.
"""

import datetime
import json
import pathlib
import unittest

from templates import STAGES, main_template, nested_template

# The time of a metric filter and of CloudWatch until a value can be evaluated.
INGESTION = 15
# CloudWatch evaluates an alarm once a minute.
EVALUATION = 60
RECORDED = pathlib.Path(__file__).parent / "status-lines.jsonl"


def recorded_lines():
    """Returns the time in seconds and the backlog of each recorded status line."""
    lines = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    return [(datetime.datetime.fromisoformat(line["timestamp"]).timestamp(), line["task_queue_backlog"]) for line in lines]


def periods(lines, period):
    """Returns the largest backlog of each period, as a metric filter with the statistic Maximum does."""
    largest = {}
    for time, backlog in lines:
        start = time // period * period
        largest[start] = max(largest.get(start, 0), backlog)
    return largest


def reaction(lines, alarm):
    """Returns the time at which the alarm fires at the latest, or None."""
    period, wanted = alarm["Period"], alarm["EvaluationPeriods"]
    breaching = 0
    for start, backlog in sorted(periods(lines, period).items()):
        breaching = breaching + 1 if backlog >= alarm["Threshold"] else 0
        if breaching == wanted:
            first = min(time for time, value in lines if time >= start and value >= alarm["Threshold"])
            return first + INGESTION + EVALUATION
    return None


def added_workers(policy, threshold, backlog):
    """Returns the number of workers that the steps add for a backlog."""
    for step in policy["StepScalingPolicyConfiguration"]["StepAdjustments"]:
        above = backlog - threshold
        if step["MetricIntervalLowerBound"] <= above < step.get("MetricIntervalUpperBound", float("inf")):
            return step["ScalingAdjustment"]
    return 0


class Scaling(unittest.TestCase):
    def setUp(self):
        self.worker = nested_template("worker", main_template(Stage="prod"))
        self.steps = self.worker.properties("ByBacklogSteps")
        self.alarm = self.worker.properties("BacklogJumps")

    def test_alarm_starts_the_policy_that_acts_on_one_value(self):
        self.assertEqual(self.alarm["AlarmActions"], ["ByBacklogSteps"])
        self.assertEqual((self.alarm["Period"], self.alarm["EvaluationPeriods"]), (60, 1))
        # An unknown backlog starts no worker.
        self.assertEqual(self.alarm["TreatMissingData"], "notBreaching")

    def test_steps_add_more_workers_for_a_larger_backlog(self):
        added = [added_workers(self.steps, self.alarm["Threshold"], backlog) for backlog in (99, 100, 399, 400, 100_000)]
        self.assertEqual(added, [0, 1, 1, 3, 3])

    def test_alarm_fires_before_the_alarm_for_operators(self):
        tasks = nested_template("watch").properties("BacklogGrows")
        self.assertLess(self.alarm["Threshold"], tasks["Threshold"])

    def test_expression_divides_by_no_zero(self):
        policy = self.worker.properties("ByBacklog")["TargetTrackingScalingPolicyConfiguration"]
        [expression] = [each["Expression"] for each in policy["CustomizedMetricSpecification"]["Metrics"] if "Expression" in each]
        waiting, divisor = expression.split(" / ", 1)

        def evaluate(workers):
            # FILL replaces a missing value, and IF selects one.
            filled = 1 if workers is None else workers
            self.assertEqual((waiting, divisor), ("waiting", "IF(FILL(workers, 1) > 0, FILL(workers, 1), 1)"))
            return filled if filled > 0 else 1

        self.assertEqual([evaluate(workers) for workers in (None, 0, 1, 8)], [1, 1, 1, 8])

    def test_workers_report_often_enough(self):
        [container] = self.worker.properties("Worker")["ContainerDefinitions"][:1]
        variables = {each["Name"]: each["Value"] for each in container["Environment"]}
        self.assertEqual(variables["REPORT_EVERY"], "30s")
        # The worst case: the backlog grows just after a report.
        self.assertLess(30 + INGESTION + EVALUATION, 120)

    def test_recorded_burst_starts_workers_within_two_minutes(self):
        lines = recorded_lines()
        quiet = max(time for time, backlog in lines if backlog < self.alarm["Threshold"])
        fired = reaction(lines, self.alarm)
        self.assertIsNotNone(fired)
        self.assertLess(fired - quiet, 120)
        largest = max(backlog for _, backlog in lines)
        self.assertGreaterEqual(added_workers(self.steps, self.alarm["Threshold"], largest), 1)

    def test_target_tracking_alone_takes_longer(self):
        # Target tracking waits for three periods. docs/scaling.md names the additional delay.
        slow = self.alarm | {"EvaluationPeriods": 3}
        lines = recorded_lines()
        last, backlog = lines[-1]
        longer = lines + [(last + 30 * each, backlog) for each in range(1, 12)]
        self.assertGreaterEqual(reaction(longer, slow) - reaction(lines, self.alarm), 80)

    def test_quiet_worker_starts_no_workers(self):
        self.assertIsNone(reaction([(60 * minute, 99) for minute in range(30)], self.alarm))


class LeastWorkers(unittest.TestCase):
    def least(self, **parameters):
        main = main_template(**parameters)
        scaled = nested_template("worker", main).properties("Scaling")["MinCapacity"]
        alarm = nested_template("watch", main).properties("WorkerDown")["Threshold"]
        self.assertEqual(str(scaled), str(alarm))
        return int(scaled)

    def test_number_of_the_stage_is_the_default(self):
        self.assertEqual([self.least(Stage=stage) for stage in STAGES], [1, 2])

    def test_parameter_replaces_it_up_to_the_maximum_of_the_stage(self):
        self.assertEqual(self.least(Stage="prod", LeastWorkers="6"), 6)
        for stage in STAGES:
            most = main_template().document["Mappings"]["Sizes"][stage]["MostWorkers"]
            self.assertEqual(main_template(Stage=stage, LeastWorkers=str(most)).violated_rules(), [])
            self.assertNotEqual(main_template(Stage=stage, LeastWorkers=str(most + 1)).violated_rules(), [])


class StoppedWorkers(unittest.TestCase):
    def service(self, **parameters):
        worker = nested_template("worker", main_template(Stage="prod", **parameters))
        return worker, worker.properties("Service"), worker.properties("Scaling")

    def test_no_worker_starts_before_an_operator_starts_it(self):
        _, service, scaling = self.service(Workers="stopped")
        self.assertEqual(int(service["DesiredCount"]), 0)
        self.assertEqual(int(scaling["MinCapacity"]), 0)
        self.assertEqual(set(map(str, scaling["SuspendedState"].values())), {"True"})
        self.assertEqual(len(scaling["SuspendedState"]), 3)
        # An operator starts one worker by hand.
        self.assertGreaterEqual(int(scaling["MaxCapacity"]), 1)
        # The schema of the restored database is migrated.
        self.assertTrue(main_template(Workers="stopped").exists("Migration"))

    def test_workers_run_by_default(self):
        for parameters in ({}, {"Workers": "running"}):
            _, service, scaling = self.service(**parameters)
            # A number would reset that of the scaling policies in each deployment.
            self.assertNotIn("DesiredCount", service)
            self.assertEqual(int(scaling["MinCapacity"]), 2)
            self.assertEqual(set(map(str, scaling["SuspendedState"].values())), {"False"})
