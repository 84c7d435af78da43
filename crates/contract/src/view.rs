//! The views of an order that callers read, which are the same for all sources.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Amounts, OrderAction, OrderDetails, RefundView, ReturnView, allowed_actions, line_document,
    order_workflow_id,
};
use domain::{
    Address, Currency, Customer, Decimal, Failure, Hold, OrderId, OrderState, OrderStatus,
    PaymentInfo, ReviewDecision, ShipmentInfo, Step, TrackingEvent, WaitingFor, string_enum,
};

string_enum! {
    /// The time from which an estimate counts.
    EstimateBasis {
        /// The time of dispatch.
        Shipped => "shipped",
        /// The time of the response: the order has not shipped.
        Now => "now",
        /// None: no delivery is expected.
        None => "none",
    }
}

string_enum! {
    /// The source of a response.
    Source { Workflow => "workflow", Database => "database", Temporal => "temporal" }
}

/// The full state of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrderView {
    pub order_id: OrderId,
    /// Empty and absent for a customer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workflow_id: String,
    pub customer_id: Option<String>,
    pub customer: Customer,
    pub items: Vec<serde_json::Value>,
    pub shipping_address: Option<Address>,
    pub currency: Option<Currency>,
    pub total_amount: Option<Decimal>,
    #[serde(flatten)]
    pub details: OrderDetails,
    pub status: OrderStatus,
    pub step: Step,
    pub is_running: bool,
    /// The decision of the reviewer, if the order was reviewed.
    #[serde(default)]
    pub review: Option<ReviewDecision>,
    pub payment_info: Option<PaymentInfo>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<Hold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    pub shipment_info: Option<ShipmentInfo>,
    /// Counts from dispatch; before dispatch, from the time of the response ([`OrderView::as_of`]).
    pub estimated_delivery: Option<DateTime<Utc>>,
    pub cancellation_reason: Option<String>,
    pub failure: Option<Failure>,
    pub retries: BTreeMap<Step, u32>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    /// The `seq` of the last audit event that this state includes, which is the `ETag`.
    pub seq: u32,
    pub source: Source,
    /// Whether the accepted document is not known to the source yet. Items, total, currency, customer
    /// and addresses are then missing, not empty.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub document_pending: bool,
    /// `None` until the order is validated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amounts: Option<Amounts>,
    /// The refunds that the shop has made, oldest first. Only the response to one order has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<RefundView>,
    /// The returns of the order, oldest first. Only the response to one order has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub returns: Vec<ReturnView>,
    #[serde(default)]
    pub shipments: Vec<ShipmentView>,
    /// The requests that the order accepts now.
    #[serde(default)]
    pub actions: Vec<OrderAction>,
}

/// A parcel of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShipmentView {
    pub tracking_number: String,
    pub provider: String,
    pub shipped_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    /// The reports of the carrier, by their time.
    #[serde(default)]
    pub events: Vec<TrackingEvent>,
}

/// The status of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusView {
    pub order_id: OrderId,
    /// Empty and absent for a customer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workflow_id: String,
    pub status: OrderStatus,
    pub step: Step,
    pub is_running: bool,
    pub updated_at: DateTime<Utc>,
    pub seq: u32,
    pub source: Source,
}

/// The estimated delivery of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EstimatedDeliveryView {
    pub order_id: OrderId,
    /// `None` for a cancelled or failed order.
    pub estimated_delivery: Option<DateTime<Utc>>,
    pub basis: EstimateBasis,
}

/// The result of a closed order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResultView {
    pub order_id: OrderId,
    /// Empty and absent for a customer.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub workflow_id: String,
    /// `shipped` or `delivered`, depending on the policy; or `cancelled` or `failed` after
    /// compensation.
    pub status: OrderStatus,
    pub cancellation_reason: Option<String>,
    pub failure: Option<Failure>,
    pub currency: Option<Currency>,
    pub total_amount: Option<Decimal>,
    pub payment_info: Option<PaymentInfo>,
    pub shipment_info: Option<ShipmentInfo>,
    pub created_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    pub seq: u32,
    pub source: Source,
}

impl From<&ShipmentInfo> for ShipmentView {
    fn from(shipment: &ShipmentInfo) -> Self {
        Self {
            tracking_number: shipment.tracking_number.clone(),
            provider: shipment.provider.clone(),
            shipped_at: shipment.shipped_at,
            delivered_at: shipment.delivered_at,
            events: shipment.events.clone(),
        }
    }
}

impl OrderView {
    /// Returns the full state of `record`, as `source` reports it.
    pub fn from_state(record: &OrderState, source: Source) -> Self {
        let order = record.order.as_ref();
        let customer = order
            .map(|order| order.customer.clone())
            .unwrap_or_default();
        Self {
            order_id: record.order_id.clone(),
            workflow_id: order_workflow_id(&record.order_id),
            customer_id: customer.id.as_ref().map(ToString::to_string),
            items: order
                .map(|order| order.lines.iter().map(line_document).collect())
                .unwrap_or_default(),
            shipping_address: order
                .and_then(|order| order.shipping_address.clone())
                .map(|address| address.addressed_to(&customer)),
            currency: order.map(|order| order.currency),
            total_amount: order.map(|order| order.total.decimal()),
            details: OrderDetails::of_state(record)
                .unwrap_or_default()
                .addressed_to(&customer),
            customer,
            status: record.status(),
            step: record.step(),
            is_running: record.is_running(),
            review: record.review,
            payment_info: record.payment.clone(),
            hold: record.hold.clone(),
            waiting_for: record.waiting_for.clone(),
            shipment_info: record.shipment.clone(),
            estimated_delivery: record.estimated_delivery,
            cancellation_reason: record.cancellation_reason.clone(),
            failure: record.failure.clone(),
            retries: record.retries.clone(),
            created_at: record.created_at(),
            updated_at: record.updated_at(),
            seq: record.last_seq(),
            source,
            document_pending: order.is_none() && record.is_running(),
            amounts: None,
            refunds: Vec::new(),
            returns: Vec::new(),
            shipments: Vec::new(),
            actions: Vec::new(),
        }
        .with_derived_fields()
    }

    /// Returns the view with the fields that follow from others. A worker of an earlier release
    /// returns a view without them.
    #[must_use]
    pub fn with_derived_fields(self) -> Self {
        let money = self.total_amount.zip(self.currency);
        let payment = self.payment_info.as_ref();
        let amounts = self.amounts.clone().or_else(|| {
            money.map(|(total, currency)| Amounts::from_payment(total, currency, payment))
        });
        let amounts = amounts.zip(self.currency).map(|(amounts, currency)| {
            amounts.with_parts(&self.items, &self.details.charges, currency)
        });
        let shipments = self.shipment_info.iter().map(ShipmentView::from).collect();
        let actions = allowed_actions(&self);
        Self {
            amounts,
            shipments,
            actions,
            ..self
        }
    }

    /// Returns the view at the time `now`. The stored estimate of an order that has not shipped
    /// counts from its last audit event; the returned estimate counts from `now`.
    #[must_use]
    pub fn as_of(self, now: DateTime<Utc>) -> Self {
        // Truncated to microseconds, like every other time.
        let passed = (now.trunc_subsecs(6) - self.updated_at).max(TimeDelta::zero());
        let estimated_delivery = match (&self.shipment_info, self.estimated_delivery) {
            (None, Some(estimate)) => estimate.checked_add_signed(passed),
            (_, estimate) => estimate,
        };
        Self {
            estimated_delivery,
            ..self
        }
        .with_derived_fields()
    }

    pub fn estimated_delivery_view(&self) -> EstimatedDeliveryView {
        let basis = match (&self.shipment_info, self.estimated_delivery) {
            (_, None) => EstimateBasis::None,
            (Some(_), Some(_)) => EstimateBasis::Shipped,
            (None, Some(_)) => EstimateBasis::Now,
        };
        EstimatedDeliveryView {
            order_id: self.order_id.clone(),
            estimated_delivery: self.estimated_delivery,
            basis,
        }
    }

    /// Returns the result, or `None` while the order is open.
    pub fn result_view(&self) -> Option<ResultView> {
        (!self.is_running).then(|| ResultView {
            order_id: self.order_id.clone(),
            workflow_id: self.workflow_id.clone(),
            status: self.status,
            cancellation_reason: self.cancellation_reason.clone(),
            failure: self.failure.clone(),
            currency: self.currency,
            total_amount: self.total_amount,
            payment_info: self.payment_info.clone(),
            shipment_info: self.shipment_info.clone(),
            created_at: self.created_at,
            ended_at: self.updated_at,
            seq: self.seq,
            source: self.source,
        })
    }

    pub fn status_view(&self) -> StatusView {
        StatusView {
            order_id: self.order_id.clone(),
            workflow_id: self.workflow_id.clone(),
            status: self.status,
            step: self.step,
            is_running: self.is_running,
            updated_at: self.updated_at,
            seq: self.seq,
            source: self.source,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> OrderView {
        let record = OrderState::new(OrderId::parse("o-1").unwrap(), at(0));
        OrderView {
            estimated_delivery: Some(at(72)),
            ..OrderView::from_state(&record, Source::Workflow)
        }
    }

    fn at(hour: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::hours(hour)
    }

    #[test]
    fn estimate_before_dispatch_counts_from_now() {
        let read = view().as_of(at(10));
        let expected = EstimatedDeliveryView {
            order_id: read.order_id.clone(),
            estimated_delivery: Some(at(82)),
            basis: EstimateBasis::Now,
        };
        assert_eq!(read.estimated_delivery_view(), expected);
        let finer = at(10) + TimeDelta::nanoseconds(1_999);
        assert_eq!(
            view().as_of(finer).estimated_delivery,
            Some(at(82) + TimeDelta::microseconds(1))
        );
        // A clock that is behind does not reduce the estimate.
        assert_eq!(view().as_of(at(-5)).estimated_delivery, Some(at(72)));
    }

    #[test]
    fn estimate_after_dispatch_is_fixed() {
        let shipment = ShipmentInfo {
            tracking_number: "FEDEX-1".to_owned(),
            provider: "fedex".to_owned(),
            estimated_delivery: Some(at(72)),
            shipped_at: Some(at(0)),
            delivered_at: None,
            events: Vec::new(),
        };
        let shipped = OrderView {
            shipment_info: Some(shipment),
            ..view()
        }
        .as_of(at(10));
        let answer = shipped.estimated_delivery_view();
        assert_eq!(
            (answer.estimated_delivery, answer.basis),
            (Some(at(72)), EstimateBasis::Shipped)
        );
    }

    #[test]
    fn cancelled_order_has_result_but_no_estimate() {
        let cancelled = OrderView {
            estimated_delivery: None,
            is_running: false,
            ..view()
        }
        .as_of(at(10));
        assert_eq!(
            cancelled.estimated_delivery_view().basis,
            EstimateBasis::None
        );
        assert!(cancelled.result_view().is_some());
        assert_eq!(view().result_view(), None);
    }
}
