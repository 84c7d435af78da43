//! Reports of the carrier about the parcel.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::{OrderWorkflow, shipment};
use contract::{DeliveryConfirmation, RequestOrigin, TrackingReport};
use domain::{AuditEventType, OrderStatus, ShipmentInfo, TrackingKind};

impl OrderWorkflow {
    /// Records a report. One that arrives before the order knows of the dispatch is kept until then.
    pub(super) fn record_report(&mut self, report: TrackingReport, now: DateTime<Utc>) {
        if self.state.shipment.is_some() {
            self.add_report(report, Some(RequestOrigin::of_carrier()), now);
        } else if self.early_reports.len() < ShipmentInfo::MAX_EVENTS
            && !self.early_reports.contains(&report)
        {
            self.early_reports.push(report);
        }
    }

    /// Records the reports that arrived before the dispatch was known.
    pub(super) fn record_early_reports(&mut self, now: DateTime<Utc>) {
        for report in std::mem::take(&mut self.early_reports) {
            self.add_report(report, Some(RequestOrigin::of_carrier()), now);
        }
    }

    /// Records the answer to a question of the order, unless the order knows it: the delivery is confirmed, or
    /// the last report has the same kind. An answer has no origin.
    pub(super) fn record_answer(&mut self, report: TrackingReport, now: DateTime<Utc>) {
        let shipment = self.state.shipment.as_ref();
        let last = shipment.and_then(|shipment| shipment.events.last());
        let is_repeated = last.is_some_and(|last| last.kind == report.event.kind);
        let is_delivery = report.event.kind == TrackingKind::Delivered;
        if self.delivery.is_none() && (is_delivery || !is_repeated) {
            self.add_report(report, None, now);
        }
    }

    /// Adds a report about the dispatched parcel. A parcel that was recalled is another one.
    fn add_report(
        &mut self,
        report: TrackingReport,
        origin: Option<RequestOrigin>,
        now: DateTime<Utc>,
    ) {
        let TrackingReport {
            order_id,
            shipment_id,
            event,
        } = report;
        let is_other = |number| shipment::shipment_id(&order_id, number) != shipment_id;
        if self.dispatched_parcel.is_some_and(is_other) {
            return;
        }
        let Some(shipment) = self.state.shipment.as_mut() else {
            return;
        };
        let is_kept = shipment.add_event(event.clone());
        // The answer that the parcel is delivered counts even if newer reports leave no place for it.
        let is_answer = origin.is_none() && event.kind == TrackingKind::Delivered;
        if !(is_kept || is_answer) {
            return;
        }
        let delivered_at = shipment.delivery_time(event.at, now);
        self.caused_by(origin.clone(), |order| {
            order.append_audit_event(AuditEventType::ShipmentTracked, json!(event), now);
        });
        let is_open = self.state.status() == OrderStatus::Shipped && self.state.is_running();
        if event.kind == TrackingKind::Delivered && is_open && self.delivery.is_none() {
            self.delivery_origin = origin;
            self.delivery = Some(DeliveryConfirmation {
                delivered_at: Some(delivered_at),
                signed_by: None,
            });
        }
    }
}
