"""docs/cost.md has the sums of the present templates."""

import unittest

import cost
from templates import read


class Cost(unittest.TestCase):
    def test_page_has_the_computed_tables(self):
        page = read("docs/cost.md")
        stale = [name for name, text in cost.tables().items() if text not in page]
        self.assertEqual(stale, [], 'run "$(tools/venv.sh sam)/python" infrastructure/tests/cost.py --write')

    def test_business_plan_has_falling_prices(self):
        # 10.5 million actions: 5 at 50, 5 at 45 and 0.5 at 40 USD.
        self.assertEqual(cost.business_actions(13), 250 + 225 + 20)
        self.assertEqual(cost.business_actions(2.5), 0)

    def test_api_has_no_metrics_for_each_method(self):
        # 46 methods with five metrics would cost 69 USD.
        for settings in cost.main_template().properties("Api")["MethodSettings"]:
            self.assertIs(settings["MetricsEnabled"], False)
