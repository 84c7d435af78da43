//! A small Stripe: intents, refunds, idempotency keys, a search with a delay.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::server::{Call, Handler, Reply, now};

/// A fault of the next request that has an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not executed, and not stored under the key.
    Reject(u16),
    /// Executed, and the error is stored under the key.
    ExecuteAndStore(u16),
    /// Not executed, and the error is stored under the key.
    Store(u16),
}

#[derive(Default)]
pub(super) struct FakeStripe {
    pub(super) intents: Vec<Value>,
    pub(super) refunds: Vec<Value>,
    pub(super) faults: VecDeque<Fault>,
    /// Whether the search finds nothing yet.
    pub(super) search_is_late: bool,
    pub(super) has_no_search: bool,
    keys: BTreeMap<String, (String, (u16, Value))>,
}

impl FakeStripe {
    pub(super) fn add_intent(
        &mut self,
        status: &str,
        amount: i64,
        order_id: Option<&str>,
    ) -> String {
        let id = format!("pi_{}", self.intents.len() + 1);
        let received = if status == "succeeded" { amount } else { 0 };
        self.intents.push(json!({
            "id": id, "status": status, "amount": amount, "amount_received": received,
            "currency": "usd", "created": now().timestamp(),
            "metadata": order_id.map_or(json!({}), |id| json!({"order_id": id, "payment_id": "pmt-1"})),
        }));
        id
    }

    pub(super) fn intent(&mut self, id: &str) -> &mut Value {
        let found = self.intents.iter_mut().find(|intent| intent["id"] == id);
        found.unwrap()
    }

    /// Returns the amounts of all refunds.
    pub(super) fn refunded(&self) -> Vec<i64> {
        let amount = |refund: &Value| refund["amount"].as_i64().unwrap();
        self.refunds.iter().map(amount).collect()
    }

    fn with_charge(&self, intent: &Value) -> Value {
        let mut intent = intent.clone();
        let received = intent["amount_received"].as_i64().unwrap();
        let authorised = received > 0 || intent["status"] == "requires_capture";
        let id = intent["id"].as_str().unwrap().to_owned();
        let refunds = self.refunds.iter();
        let refunded: i64 = refunds
            .filter(|refund| refund["payment_intent"] == *id && refund["status"] != "failed")
            .map(|refund| refund["amount"].as_i64().unwrap())
            .sum();
        let released = intent["amount"].as_i64().unwrap() - received;
        if authorised {
            intent["latest_charge"] = json!({
                "id": id.replace("pi_", "ch_"), "amount": intent["amount"],
                "amount_captured": received,
                "amount_refunded": if received > 0 { refunded + released } else { 0 },
            });
        }
        intent
    }

    fn left(&self, intent: &Value) -> i64 {
        let charge = self.with_charge(intent)["latest_charge"].clone();
        charge["amount"].as_i64().unwrap_or(0) - charge["amount_refunded"].as_i64().unwrap_or(0)
    }

    fn execute(&mut self, call: &Call) -> (u16, Value) {
        let path: Vec<_> = call.path.split('/').skip(2).collect();
        match (call.method.as_str(), path.as_slice()) {
            ("POST", ["payment_intents"]) => self.create_intent(call),
            ("POST", ["payment_intents", id, "cancel"]) => {
                let intent = self.intent(id);
                match intent["status"].as_str().unwrap() {
                    "succeeded" | "canceled" => refusal(400, "payment_intent_unexpected_state"),
                    _ => {
                        intent["status"] = json!("canceled");
                        (200, intent.clone())
                    }
                }
            }
            ("POST", ["payment_intents", id, "capture"]) => {
                let amount: i64 = call.field("amount_to_capture").unwrap().parse().unwrap();
                let intent = self.intent(id);
                if intent["status"] != "requires_capture" {
                    return refusal(400, "payment_intent_unexpected_state");
                }
                if amount > intent["amount"].as_i64().unwrap() {
                    return refusal(400, "amount_too_large");
                }
                intent["status"] = json!("succeeded");
                intent["amount_received"] = json!(amount);
                (200, intent.clone())
            }
            ("POST", ["refunds"]) => self.create_refund(call),
            ("GET", ["refunds"]) => {
                let of = call.query("payment_intent").unwrap();
                let refunds = self.refunds.iter().rev();
                let found: Vec<_> = refunds
                    .filter(|refund| refund["payment_intent"] == of)
                    .cloned()
                    .collect();
                page(found, call)
            }
            ("GET", ["payment_intents"]) => {
                let since: i64 = call.query("created[gte]").unwrap().parse().unwrap();
                let intents = self.intents.iter().rev();
                let found: Vec<_> = intents
                    .filter(|intent| intent["created"].as_i64().unwrap() >= since)
                    .map(|intent| self.with_charge(intent))
                    .collect();
                page(found, call)
            }
            ("GET", ["payment_intents", "search"]) if self.has_no_search => {
                refusal(400, "no_search")
            }
            ("GET", ["payment_intents", "search"]) => {
                let query = call.query("query").unwrap();
                let names = |intent: &&Value| {
                    let metadata = intent["metadata"].as_object().unwrap();
                    metadata.iter().any(|(field, value)| {
                        query == format!("metadata['{field}']:'{}'", value.as_str().unwrap())
                    })
                };
                let found: Vec<_> = self.intents.iter().filter(names).cloned().collect();
                page(
                    if self.search_is_late {
                        Vec::new()
                    } else {
                        found
                    },
                    call,
                )
            }
            ("GET", ["payment_intents", id]) => {
                let found = self.intents.iter().find(|intent| intent["id"] == *id);
                match found {
                    Some(intent) => (200, self.with_charge(intent)),
                    None => refusal(404, "resource_missing"),
                }
            }
            _ => panic!("{}", call.line()),
        }
    }

    fn create_intent(&mut self, call: &Call) -> (u16, Value) {
        let amount: i64 = call.field("amount").unwrap().parse().unwrap();
        if amount < 50 {
            return refusal(400, "amount_too_small");
        }
        let manual = call.field("capture_method").as_deref() == Some("manual");
        let status = match call.field("payment_method").as_deref() {
            None | Some("pm_card_declined") => "requires_payment_method",
            Some("pm_card_authentication") => "requires_action",
            Some(_) if manual => "requires_capture",
            Some(_) => "succeeded",
        };
        let id = self.add_intent(status, amount, None);
        let declined = call.field("payment_method").as_deref() == Some("pm_card_declined");
        let intent = self.intent(&id);
        for field in ["order_id", "payment_id"] {
            intent["metadata"][field] = json!(call.field(&format!("metadata[{field}]")));
        }
        if declined {
            let error = json!({"type": "card_error", "code": "card_declined",
                "decline_code": "insufficient_funds", "message": "4242", "payment_intent": intent});
            return (402, json!({"error": error}));
        }
        (200, intent.clone())
    }

    fn create_refund(&mut self, call: &Call) -> (u16, Value) {
        let id = call.field("payment_intent").unwrap();
        let amount: i64 = call.field("amount").unwrap().parse().unwrap();
        let intent = self.intent(&id).clone();
        match self.left(&intent) {
            0 => return refusal(400, "charge_already_refunded"),
            left if amount > left => return refusal(400, "amount_too_large"),
            _ => {}
        }
        let mut metadata = json!({});
        for field in ["order_id", "payment_id", "refund_key"] {
            metadata[field] = json!(call.field(&format!("metadata[{field}]")));
        }
        let refund = json!({
            "id": format!("re_{}", self.refunds.len() + 1), "payment_intent": id,
            "amount": amount, "status": "succeeded", "metadata": metadata,
        });
        self.refunds.push(refund.clone());
        (200, refund)
    }
}

impl Handler for FakeStripe {
    fn respond(&mut self, call: &Call) -> Reply {
        let Some(key) = call.header("idempotency-key").map(str::to_owned) else {
            let (status, body) = self.execute(call);
            return Reply(status, Vec::new(), body);
        };
        if let Some((first, (status, body))) = self.keys.get(&key) {
            if *first != call.body {
                let error = json!({"error": {"type": "idempotency_error", "message": "4242"}});
                return Reply(400, Vec::new(), error);
            }
            let replayed = vec![("Idempotent-Replayed", "true".to_owned())];
            return Reply(*status, replayed, body.clone());
        }
        let error = json!({"error": {"type": "api_error", "message": "4242 rk_test_secret"}});
        let (stored, response) = match self.faults.pop_front() {
            Some(Fault::Reject(status)) => (false, (status, error)),
            Some(Fault::Store(status)) => (true, (status, error)),
            Some(Fault::ExecuteAndStore(status)) => {
                self.execute(call);
                (true, (status, error))
            }
            None => (true, self.execute(call)),
        };
        if stored {
            self.keys.insert(key, (call.body.clone(), response.clone()));
        }
        Reply(response.0, Vec::new(), response.1)
    }
}

fn refusal(status: u16, code: &str) -> (u16, Value) {
    let error = json!({"type": "invalid_request_error", "code": code, "message": "4242"});
    (status, json!({"error": error}))
}

fn page(found: Vec<Value>, call: &Call) -> (u16, Value) {
    let limit: usize = call.query("limit").unwrap().parse().unwrap();
    let start = call.query("starting_after").map_or(0, |after| {
        let position = found.iter().position(|object| object["id"] == after);
        position.unwrap() + 1
    });
    let has_more = found.len() > start + limit;
    let data: Vec<_> = found.into_iter().skip(start).take(limit).collect();
    (200, json!({"data": data, "has_more": has_more}))
}
