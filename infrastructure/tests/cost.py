"""Computes the tables of docs/cost.md from a list of prices and from the templates.

    cost.py            prints the tables
    cost.py --write    writes them into docs/cost.md
"""

import re
import sys

from cloudformation import Template
from templates import PROJECT, SECRET, TOPIC, document, main_template, nested_template
from templates import alarms as find_alarms

PAGE = PROJECT / "docs/cost.md"
HOURS = 730
ZONES = 2
# USD, us-east-1, on demand.
PRICES = {
    "processor hour": 0.03238,
    "task GB hour": 0.00356,
    "db.m7g.large": 0.168,
    "db.t4g.small": 0.032,
    "storage GB": 0.115,
    "NAT gateway hour": 0.045,
    "NAT GB": 0.045,
    "address hour": 0.005,
    "endpoint hour": 0.01,
    "secret": 0.40,
    "secret read 10,000": 0.05,
    "alarm": 0.10,
    "composite alarm": 0.50,
    "metric": 0.30,
    "dashboard": 3.00,
    "log GB": 0.50,
    "zone GB": 0.02,
    "gateway million": 3.50,
    "request million": 0.20,
    "function GB second": 0.0000133334,
    "trace million": 5.00,
    "sample million": 0.09,
    "action million": 50.00,
    "active GB hour": 0.042,
    "retained GB hour": 0.00105,
}
# Temporal's Business plan: the fee, the included million actions, and the steps of the price.
BUSINESS_FEE = 500.00
BUSINESS_INCLUDED = 2.5
BUSINESS_STEPS = [(5, 50.00), (5, 45.00), (10, 40.00)]
MILLION_ORDERS = 1
REQUESTS = 4
ACTIONS = 13
ACTIVE_GB = 0.67
RETAINED_GB = 20
CONTAINER_INSIGHTS = 29
# Estimates of what a collector sends in a minute: metrics of CloudWatch, bytes of log of one worker, series of one worker.
# infrastructure/collector/check.sh prints the numbers of a run.
COLLECTOR_METRICS = 40
COLLECTOR_LOG_BYTES = 20_000
COLLECTOR_SERIES = 1_800
TARGET_TRACKING_ALARMS = 4
DATABASE_LOGS_GB = 1
PARAMETERS = {
    "TemporalApiKeySecretArn": SECRET,
    "WebhookSecretsArn": SECRET,
    "SmtpUrlSecretArn": SECRET,
    "MailFrom": "Shop <orders@example.com>",
    "AlarmTopicArn": TOPIC,
}
# As in samconfig.toml.
ROLLOUTS = {"dev": "AllAtOnce", "prod": "Canary10Percent5Minutes"}
# The API keys, Temporal's key, the webhooks, Stripe, mail, and the owner of the database.
SECRETS = 6
# Five functions with one busy sandbox each: two secrets, which are read every four minutes.
SECRET_READS_PER_HOUR = 5 * 2 * 15


def business_actions(millions):
    """Returns the price of the actions that Temporal's Business plan does not include."""
    rest, total = max(0, millions - BUSINESS_INCLUDED), 0
    for size, price in BUSINESS_STEPS:
        part = min(rest, size)
        total += part * price
        rest -= part
    assert rest == 0, "the prices of more actions are not in this list"
    return total


def per_order():
    p = PRICES
    requests = MILLION_ORDERS * REQUESTS
    function_seconds = requests * 1_000_000 * 0.05 * 0.25
    return [
        ("API Gateway, REST", f"{requests} M requests × {p['gateway million']:.2f} per million", requests * p["gateway million"]),
        ("Lambda, requests", f"{requests} M × {p['request million']:.2f}", requests * p["request million"]),
        ("Lambda, time (arm64)", f"{requests} M × 0.05 s × 0.25 GB × {p['function GB second']:.10f}", function_seconds * p["function GB second"]),
        ("CloudWatch Logs", f"1 M × 5.2 KB = 5.2 GB × {p['log GB']:.2f}", 5.2 * p["log GB"]),
        ("NAT gateway, data", f"60 GB × {p['NAT GB']}", 60 * p["NAT GB"]),
        ("traffic between zones", f"10 GB × {p['zone GB']}", 10 * p["zone GB"]),
    ]


def tracing():
    p = PRICES
    requests = MILLION_ORDERS * REQUESTS
    traces = (2_628_000 + 0.05 * (requests * 1_000_000 - 2_628_000)) / 1_000_000
    return [("X-Ray", f"{traces:.4f} M traces × {p['trace million']:.2f} per million", traces * p["trace million"])]


def to_xray():
    """Returns the highest price of the traces of a collector: each request of an order begins one at most."""
    p = PRICES
    requests = MILLION_ORDERS * REQUESTS
    return ("X-Ray, at most", f"{requests} M traces × {p['trace million']:.2f} per million", requests * p["trace million"])


def to_cloudwatch():
    p = PRICES
    workers, minutes = main_template(Stage="prod").document["Mappings"]["Sizes"]["prod"]["LeastWorkers"], HOURS * 60
    size = workers * minutes * COLLECTOR_LOG_BYTES / 1_000_000_000
    return [
        ("metrics", f"{COLLECTOR_METRICS} × {p['metric']:.2f}", COLLECTOR_METRICS * p["metric"]),
        (
            "logs that contain the metrics",
            f"{workers} × {minutes} × {COLLECTOR_LOG_BYTES / 1000:g} KB = {size:.1f} GB × {p['log GB']:.2f}",
            size * p["log GB"],
        ),
        to_xray(),
    ]


def to_prometheus():
    p = PRICES
    workers, minutes = main_template(Stage="prod").document["Mappings"]["Sizes"]["prod"]["LeastWorkers"], HOURS * 60
    samples = workers * minutes * COLLECTOR_SERIES / 1_000_000
    return [
        (
            "samples",
            f"{workers} × {minutes} × {COLLECTOR_SERIES} = {samples:.0f} M × {p['sample million']:.2f} per million",
            samples * p["sample million"],
        ),
        to_xray(),
    ]


def temporal():
    p = PRICES
    actions = MILLION_ORDERS * ACTIONS
    usage = actions * p["action million"]
    storage = HOURS * (ACTIVE_GB * p["active GB hour"] + RETAINED_GB * p["retained GB hour"])
    business = business_actions(actions)
    return [
        ("Developer", f"{actions} M × {p['action million']:.2f}, storage {storage:.2f}, 10 % of both", (usage + storage) * 1.1),
        ("Business", f"fee {BUSINESS_FEE:.2f}, {actions - BUSINESS_INCLUDED} M actions {business:.2f}", BUSINESS_FEE + business),
    ]


def fixed(stage):
    p = PRICES
    main = main_template(Stage=stage, Rollout=ROLLOUTS[stage], **PARAMETERS)
    nested = {name: nested_template(name, main) for name in ("vpc", "network", "database", "worker", "watch")}
    sizes = main.document["Mappings"]["Sizes"][stage]
    task, instance = nested["worker"].properties("Worker"), nested["database"].properties("Instance")
    workers, processors, memory = sizes["LeastWorkers"], int(task["Cpu"]) / 1024, int(task["Memory"]) / 1024
    copies = 2 if instance["MultiAZ"] else 1
    hourly, storage = p[instance["DBInstanceClass"]], int(instance["AllocatedStorage"])
    gateways = len(nested["vpc"].of_type("AWS::EC2::NatGateway"))
    addresses = len(nested["vpc"].of_type("AWS::EC2::EIP"))
    endpoints = sum(
        each["VpcEndpointType"] == "Interface" for each in nested["network"].of_type("AWS::EC2::VPCEndpoint").values()
    )
    found = find_alarms(main)
    composite = sum("AlarmRule" in each for each in found)
    # Each metric of an expression counts as an alarm.
    alarms = sum(max(1, sum("MetricStat" in part for part in each.get("Metrics", []))) for each in found) - composite
    alarms += TARGET_TRACKING_ALARMS
    stacks = main.of_type("AWS::CloudFormation::Stack").values()
    filters = sum(
        len(Template(document(each["TemplateURL"]), each["Parameters"]).of_type("AWS::Logs::MetricFilter")) for each in stacks
    )
    dashboards = len(nested["watch"].of_type("AWS::CloudWatch::Dashboard"))
    rows = [
        (
            f"Fargate (arm64), workers: {workers}",
            f"{workers} × ({processors:g} × {p['processor hour']} + {memory:g} GB × {p['task GB hour']}) × {HOURS} h",
            workers * (processors * p["processor hour"] + memory * p["task GB hour"]) * HOURS,
        ),
        (f"RDS `{instance['DBInstanceClass']}`, instances: {copies}", f"{copies} × {hourly} × {HOURS} h", copies * hourly * HOURS),
        (f"RDS storage, {storage} GB gp3", f"{copies} × {storage} × {p['storage GB']}", copies * storage * p["storage GB"]),
        ("NAT gateways", f"{gateways} × {p['NAT gateway hour']} × {HOURS} h", gateways * p["NAT gateway hour"] * HOURS),
        ("public addresses", f"{addresses} × {p['address hour']} × {HOURS} h", addresses * p["address hour"] * HOURS),
        (
            "VPC endpoints",
            f"{endpoints} endpoints × {ZONES} zones × {p['endpoint hour']} × {HOURS} h",
            endpoints * ZONES * p["endpoint hour"] * HOURS,
        ),
        ("Secrets Manager", f"{SECRETS} × {p['secret']:.2f}", SECRETS * p["secret"]),
        (
            "reads of secrets by functions",
            f"{SECRET_READS_PER_HOUR} × {HOURS} h × {p['secret read 10,000']:.2f} / 10,000",
            SECRET_READS_PER_HOUR * HOURS * p["secret read 10,000"] / 10_000,
        ),
        ("alarms", f"{alarms} × {p['alarm']:.2f}", alarms * p["alarm"]),
        ("composite alarms", f"{composite} × {p['composite alarm']:.2f}", composite * p["composite alarm"]),
        ("metrics of logs", f"{filters} × {p['metric']:.2f}", filters * p["metric"]),
        ("Container Insights", f"{CONTAINER_INSIGHTS} × {p['metric']:.2f}", CONTAINER_INSIGHTS * p["metric"]),
        ("dashboard", f"{dashboards} × {p['dashboard']:.2f}", dashboards * p["dashboard"]),
        ("logs of RDS and Enhanced Monitoring", f"{DATABASE_LOGS_GB} GB × {p['log GB']:.2f}", DATABASE_LOGS_GB * p["log GB"]),
    ]
    return [row for row in rows if row[2]]


def table(rows, total=True):
    lines = ["| line | USD per month | arithmetic |", "|---|---:|---|"]
    lines += [f"| {name} | {value:.2f} | {arithmetic} |" for name, arithmetic, value in rows]
    if total:
        lines.append(f"| **sum** | **{sum(value for *_, value in rows):.2f}** | |")
    return "\n".join(lines)


def summary():
    orders = sum(value for *_, value in per_order())
    base = orders + sum(value for *_, value in fixed("prod"))
    rows = []
    for plan, _, value in temporal():
        total = base + value
        rows.append(f"| {plan} | {total:.2f} | {total / (MILLION_ORDERS * 1_000_000) * 100:.2f} cents |")
    return "\n".join(["| Temporal's plan | USD per month | an order |", "|---|---:|---:|", *rows])


def tables():
    return {
        "summary": summary(),
        "per order": table(per_order()),
        "temporal": table(temporal(), total=False),
        "fixed prod": table(fixed("prod")),
        "fixed dev": table(fixed("dev")),
        "tracing": table(tracing(), total=False),
        "cloudwatch": table(to_cloudwatch()),
        "prometheus": table(to_prometheus()),
    }


def updated(page):
    """Returns the page with current tables."""
    for name, text in tables().items():
        pattern = re.compile(rf"(<!-- cost: {name} -->\n\n).*?(\n\n<!-- end of cost -->)", re.DOTALL)
        page, count = pattern.subn(lambda match: match.group(1) + text + match.group(2), page)
        assert count == 1, f"docs/cost.md: the marker of {name} is missing"
    return page


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        PAGE.write_text(updated(PAGE.read_text()))
    else:
        print("\n\n".join(tables().values()))
