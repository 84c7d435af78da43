"""A check for Schemathesis: the API accepts every request that its schemas allow.

The built-in check `positive_data_acceptance` takes every 4xx response as a failure. Some rules are not in a JSON Schema.
They are listed here with their exact problem code or field error; every other rejection fails.
"""

import re

import schemathesis

# Rules about more than the request alone: credentials, the order's state (and `If-Match`), an earlier request with the
# same key.
STATUSES = {401, 403, 404, 409, 412, 429}
CODES = {
    "idempotency_key_reused",
    # The order: its total, its transactions, its dispatch, its address and its metadata.
    "payment_mismatch",
    "transaction_mismatch",
    "delivery_time_invalid",
    "address_incomplete",
    "metadata_too_large",
    # The signature of a webhook depends on a secret.
    "webhook_rejected",
    "webhook_token_invalid",
}
FIELD_ERRORS = (
    # Two spellings of one field with different values.
    "must be equal to ",
    # Several flat fields of an address, none of which is its street.
    "must name a street",
    # A flat field beside the object that contains it.
    "is not a known field",
    "must be an object",
    # The digits of a number, whose decimals depend on the currency.
    "must be a plain decimal number",
    "must have at most ",
    r"[A-Z]{3} has \d decimals",
    "must be at most 999999999999999 minor units",
    # The total of an order, and its parts.
    "the total must be ",
    "must be .*, the total of the other fields",
    "must be at most .*, the value of the line",
    "the discounts of .* are more than the other amounts",
    # A deployment without keys of quotes.
    "must be absent: this deployment has no keys of quotes",
    # Either a number of units or an adjustment, which has a reason.
    "must be absent beside available",
    "is required, or adjust",
    "is required for an adjustment",
    # A refund of an amount, or of items, which the order has.
    "must be absent beside items",
    "is required, or items",
    "is only for items",
    "must name each SKU once",
    "is not an item of the order",
    "have no value in this order",
    # Names of countries and hosts.
    "must be a country of ISO 3166",
    "must be an e-mail address",
    # The address of an endpoint.
    "must be a URL such as ",
    "must not contain a user name or a password",
    "must be at most 2000 characters long",
    # A blank value of a field that may have another name.
    "must not be blank",
    # A cursor is opaque.
    "must be the cursor of a previous page's Link header",
    "must be of a list with the same sort",
    # The range of the statistics depends on the time.
    "must be before to, ",
    "must be at most 31 days before to, ",
    # A search depends on the orders.
    "must match at most ",
)
FIELD_ERROR = re.compile("|".join(FIELD_ERRORS))


@schemathesis.check
def valid_request_is_accepted(ctx, response, case):
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if response.status_code < 400 or response.status_code >= 500 and response.status_code != 498:
        return
    if response.status_code in STATUSES:
        return
    problem = response.json()
    if problem["code"] in CODES:
        return
    errors = problem.get("errors", [])
    unexpected = [error for error in errors if not FIELD_ERROR.match(error["detail"])]
    if errors and not unexpected:
        return
    raise AssertionError(f"A schema-valid request was rejected: {problem['code']}, {unexpected or problem['detail']}")
