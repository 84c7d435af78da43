//! Look-ups: the intent of a charge with an unknown outcome, the payments of an order, and all
//! payments since a time.

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::try_join_all;

use super::{
    KEY_IS_KEPT, PaymentKey, Stripe, age_of,
    api::{CallError, ListQuery},
    money,
    object::{Intent, IntentStatus},
    transaction_id,
};
use crate::{FoundPayment, OutcomeUnknown};
use domain::{OrderId, PaymentId, TransactionId};

/// The difference between our clock and Stripe's that is allowed for.
const CLOCKS_DIFFER: TimeDelta = TimeDelta::minutes(5);
/// The age from which a search without a result proves that there is no intent, even if Stripe's
/// index is late. Only for requests that Stripe has finished.
const SEARCH_IS_COMPLETE: TimeDelta = TimeDelta::hours(1);
/// The maximum number of pages for one charge, which must be found within one call of the worker.
const PAGES_OF_A_CHARGE: usize = 2;
const PAGES_OF_AN_ORDER: usize = 10;
const PAGES_OF_ALL: usize = 50;
/// The maximum number of intents of one order that are read again after a search.
const INTENTS_OF_AN_ORDER: usize = 20;

/// The result of a look-up.
pub(super) enum LookUp {
    Found(Box<Intent>),
    /// Stripe has no such intent.
    Absent,
    /// Stripe may have such an intent.
    NotSeen,
}

/// Intents since a time, the newest first.
struct Listed {
    intents: Vec<Intent>,
    /// Whether there are no further intents.
    complete: bool,
}

impl Stripe {
    /// Looks for the intent of a payment, so that it is not charged twice and not given up. The
    /// search has a delay; the list has none, but is limited.
    ///
    /// With `finished`, no request for this payment is in progress any more.
    pub(super) async fn look_up(
        &self,
        of: PaymentKey<'_>,
        since: DateTime<Utc>,
        finished: bool,
    ) -> Result<LookUp, OutcomeUnknown> {
        let age = age_of(since);
        let proof = if finished {
            SEARCH_IS_COMPLETE
        } else {
            KEY_IS_KEPT
        };
        let can_search = match self
            .api
            .search_intents("payment_id", of.payment_id.as_str())
            .await
        {
            Ok(found) => {
                if let Some(intent) = found.data.iter().find(|intent| of.is_of(intent)) {
                    return self.read_found(intent).await;
                }
                if age >= proof {
                    return Ok(LookUp::Absent);
                }
                true
            }
            // Some accounts, such as those in India, have no search.
            Err(CallError::Refused(_)) => false,
            Err(failed) => return Err(failed.into()),
        };
        if can_search && !finished {
            return Ok(LookUp::NotSeen);
        }
        let listed = self
            .list_since(since - CLOCKS_DIFFER, PAGES_OF_A_CHARGE, false)
            .await?;
        if let Some(intent) = listed.intents.iter().find(|intent| of.is_of(intent)) {
            return self.read_found(intent).await;
        }
        if listed.complete {
            return Ok(LookUp::Absent);
        }
        if age >= KEY_IS_KEPT {
            return Err(OutcomeUnknown(
                "Stripe cannot search this account, and its list is too long".to_owned(),
            ));
        }
        Ok(LookUp::NotSeen)
    }

    /// Reads an intent again: the index of the search can have an old state.
    async fn read_found(&self, intent: &Intent) -> Result<LookUp, OutcomeUnknown> {
        let intent = self.api.get_intent(&intent.id).await?;
        Ok(LookUp::Found(Box::new(intent)))
    }

    /// Returns the intent that a declined charge left behind.
    pub(super) async fn find_declined(
        &self,
        of: PaymentKey<'_>,
        since: DateTime<Utc>,
    ) -> Result<Option<Intent>, OutcomeUnknown> {
        let listed = self.list_since(since - CLOCKS_DIFFER, 1, false).await?;
        Ok(listed.intents.into_iter().find(|intent| of.is_of(intent)))
    }

    /// Finds an order's payments in the list of the newest ones. If there are more, also by search,
    /// which has a delay.
    pub(super) async fn find_payments_of(
        &self,
        order_id: &OrderId,
        since: DateTime<Utc>,
    ) -> Result<Vec<FoundPayment>, OutcomeUnknown> {
        let since = since - CLOCKS_DIFFER;
        let newest = self.list_since(since, PAGES_OF_A_CHARGE, true).await?;
        let mut intents = newest.intents;
        if !newest.complete {
            match self.api.search_intents("order_id", order_id.as_str()).await {
                Ok(found) => {
                    let older = found.data.into_iter().filter(|intent| {
                        intent.created >= since.timestamp()
                            && intents.iter().all(|newer| newer.id != intent.id)
                    });
                    let older: Vec<_> = older.take(INTENTS_OF_AN_ORDER).collect();
                    // As in `read_found`.
                    let read = older.iter().map(|intent| self.api.get_intent(&intent.id));
                    intents.extend(try_join_all(read).await?);
                }
                Err(CallError::Refused(_)) => {
                    let listed = self.list_since(since, PAGES_OF_AN_ORDER, true).await?;
                    if !listed.complete {
                        return Err(OutcomeUnknown(
                            "Stripe cannot search this account, and its list is too long"
                                .to_owned(),
                        ));
                    }
                    intents = listed.intents;
                }
                Err(failed) => return Err(failed.into()),
            }
        }
        intents.retain(|intent| intent.metadata_field("order_id") == Some(order_id.as_str()));
        collect_payments(&intents)
    }

    pub(super) async fn find_one_payment(
        &self,
        transaction_id: &TransactionId,
    ) -> Result<Option<FoundPayment>, OutcomeUnknown> {
        if !transaction_id.is_stripe_intent() {
            return Ok(None);
        }
        match self.api.get_intent(transaction_id.as_str()).await {
            Ok(intent) => found_payment(&intent).map(Some),
            Err(CallError::Refused(refusal)) if refusal.has_code("resource_missing") => Ok(None),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Returns all payments or none: a part would look as if the others did not exist.
    pub(super) async fn list_all_payments(
        &self,
        since: DateTime<Utc>,
    ) -> Result<Vec<FoundPayment>, OutcomeUnknown> {
        let listed = self.list_since(since, PAGES_OF_ALL, true).await?;
        if !listed.complete {
            return Err(OutcomeUnknown(format!(
                "Stripe has more than {} payments since {since}; choose a later time",
                listed.intents.len()
            )));
        }
        collect_payments(&listed.intents)
    }

    async fn list_since(
        &self,
        since: DateTime<Utc>,
        pages: usize,
        with_charges: bool,
    ) -> Result<Listed, OutcomeUnknown> {
        let created_since = since.timestamp();
        let mut intents: Vec<Intent> = Vec::new();
        for _ in 0..pages {
            let query = ListQuery {
                created_since,
                after: intents.last().map(|intent| intent.id.as_str()),
                with_charges,
            };
            let page = self.api.list_intents(&query).await?;
            let complete = !page.has_more || page.data.is_empty();
            intents.extend(page.data);
            if complete {
                return Ok(Listed { intents, complete });
            }
        }
        Ok(Listed {
            intents,
            complete: false,
        })
    }
}

/// Returns the payments among these intents that have money.
fn collect_payments(intents: &[Intent]) -> Result<Vec<FoundPayment>, OutcomeUnknown> {
    let mut payments = Vec::new();
    for intent in intents {
        match found_payment(intent) {
            Ok(payment) if payment.has_money() => payments.push(payment),
            Ok(_) => {}
            // The account can have payments of other systems.
            Err(problem) if intent.metadata_field("order_id").is_none() => {
                tracing::warn!(transaction.id = intent.id, "ignored a payment: {problem}");
            }
            Err(problem) => return Err(problem),
        }
    }
    Ok(payments)
}

fn found_payment(intent: &Intent) -> Result<FoundPayment, OutcomeUnknown> {
    let amount = |units| money(units, &intent.currency);
    let refunded = intent.refunded_units().ok_or_else(|| {
        OutcomeUnknown("Stripe's payment has no charge, but captured money".to_owned())
    })?;
    let is_authorised = matches!(
        intent.status,
        IntentStatus::RequiresCapture | IntentStatus::Succeeded
    );
    let created = DateTime::from_timestamp(intent.created, 0)
        .ok_or_else(|| OutcomeUnknown("Stripe's payment has an invalid time".to_owned()))?;
    let field = |name| intent.metadata_field(name);
    Ok(FoundPayment {
        transaction_id: transaction_id(intent)?,
        order_id: field("order_id").and_then(|id| OrderId::parse(id).ok()),
        payment_id: field("payment_id").and_then(|id| PaymentId::parse(id).ok()),
        authorised: is_authorised.then(|| amount(intent.amount)).transpose()?,
        captured: amount(intent.captured_units())?,
        refunded: amount(refunded)?,
        processing: intent.status == IntentStatus::Processing,
        ended: matches!(
            intent.status,
            IntentStatus::Succeeded | IntentStatus::Canceled
        ),
        created,
        aliases: intent
            .charge_id()
            .and_then(|id| TransactionId::parse(id).ok())
            .into_iter()
            .collect(),
    })
}
