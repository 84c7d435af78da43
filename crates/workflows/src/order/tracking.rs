//! Reports of the carrier about the parcel.

use chrono::{DateTime, Utc};
use serde_json::json;

use super::OrderWorkflow;
use contract::{DeliveryConfirmation, RequestOrigin, TrackingReport};
use domain::{AuditEventType, OrderStatus, ShipmentInfo, TrackingEvent, TrackingKind};

impl OrderWorkflow {
    /// Records a report. One that arrives before the order knows of the dispatch is kept until then.
    pub(super) fn record_report(&mut self, report: TrackingReport, now: DateTime<Utc>) {
        let event = report.event;
        if self.state.shipment.is_some() {
            self.add_report(event, now);
        } else if self.early_reports.len() < ShipmentInfo::MAX_EVENTS
            && !self.early_reports.contains(&event)
        {
            self.early_reports.push(event);
        }
    }

    /// Records the reports that arrived before the dispatch was known.
    pub(super) fn record_early_reports(&mut self, now: DateTime<Utc>) {
        for event in std::mem::take(&mut self.early_reports) {
            self.add_report(event, now);
        }
    }

    fn add_report(&mut self, event: TrackingEvent, now: DateTime<Utc>) {
        let shipment = self.state.shipment.as_mut();
        if !shipment.is_some_and(|shipment| shipment.add_event(event.clone())) {
            return;
        }
        let origin = RequestOrigin::of_carrier();
        self.caused_by(Some(origin.clone()), |order| {
            order.append_audit_event(AuditEventType::ShipmentTracked, json!(event), now);
        });
        let is_open = self.state.status() == OrderStatus::Shipped && self.state.is_running();
        if event.kind == TrackingKind::Delivered && is_open && self.delivery.is_none() {
            self.delivery_origin = Some(origin);
            self.delivery = Some(DeliveryConfirmation {
                delivered_at: Some(event.at),
                signed_by: None,
            });
        }
    }
}
