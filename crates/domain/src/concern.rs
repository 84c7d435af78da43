//! Concerns: the reasons why money needs a person, with the next step for each.

use crate::{EXTERNAL, Money, MovementKind, status::string_enum};

string_enum! {
    /// The reason of an entry in the work list.
    Concern {
        /// Money that belongs to no order.
        Unmatched => "unmatched",
        /// An operator must pay this money back.
        RefundDue => "refund_due",
        /// A capture failed: the money never arrived.
        CaptureFailed => "capture_failed",
        /// The provider refused the request to capture.
        CaptureRefused => "capture_refused",
        /// Less was captured than authorised.
        CaptureShort => "capture_short",
        /// The authorisation ended before the capture.
        AuthorisationEnded => "authorisation_ended",
        /// An operator must cancel the authorisation of an order that does not take the money.
        AuthorisationOpen => "authorisation_open",
        /// A refund at the provider holds an order before its dispatch, or a refund of money that was
        /// taken for a second payment left an order unpaid. The balance of a transaction never has
        /// this concern.
        PartRefunded => "part_refunded",
        /// The customer's bank took the money back.
        Returned => "returned",
        DisputeOpen => "dispute_open",
        DisputeLost => "dispute_lost",
        FraudWarning => "fraud_warning",
        ReviewOpen => "review_open",
        /// The customer completed a checkout that took no money. The balance of a transaction never
        /// has this concern or the next three.
        CompletedUnpaid => "completed_unpaid",
        /// A webhook event names an order, but it does not confirm a payment.
        Unconfirmed => "unconfirmed",
        /// A verified webhook event names an order, and its content could not be read.
        Unreadable => "unreadable",
        /// A caller confirmed a payment that its order refused, and no provider reported the money.
        ReportRefused => "report_refused",
    }
}

/// The ids that the next step of an entry names.
#[derive(Debug, Clone, Copy)]
pub struct ConcernSubject<'a> {
    /// The id of the entry.
    pub entry_id: &'a str,
    /// The name of the provider, or `external`.
    pub provider: &'a str,
    pub transaction_id: Option<&'a str>,
    pub order_id: Option<&'a str>,
    /// The provider's type of a webhook event without a payment.
    pub event_type: Option<&'a str>,
    /// Whether the order has ended, so that it takes no payment.
    pub is_order_closed: bool,
    /// Whether the parcel of the order is dispatched.
    pub is_order_shipped: bool,
    /// Whether a dispute of the payment is open.
    pub is_disputed: bool,
    /// The amount of the entry.
    pub amount: Option<Money>,
}

/// Returns whether the type of an unconfirmed event names a failure, a refund or a charge-back. Such
/// an event must never lead to a confirmation.
///
/// ```
/// assert!(domain::reports_no_payment("payments.charged_back"));
/// assert!(!domain::reports_no_payment("payments.confirmed"));
/// ```
pub fn reports_no_payment(event_type: &str) -> bool {
    const SIGNS: [&str; 13] = [
        "fail",
        "refund",
        "charged_back",
        "chargeback",
        "charge_back",
        "dispute",
        "cancel",
        "expire",
        "denied",
        "decline",
        "return",
        "reversed",
        "void",
    ];
    let event_type = event_type.to_ascii_lowercase();
    SIGNS.iter().any(|sign| event_type.contains(sign))
}

impl Concern {
    /// Returns the kinds of movements that cause the concern.
    pub const fn causes(self) -> &'static [MovementKind] {
        use MovementKind as Kind;
        match self {
            Self::Unmatched => &[Kind::AutoCaptured, Kind::Captured, Kind::CapturedTotal],
            Self::RefundDue => &[
                Kind::RefundRequested,
                Kind::RefundByHand,
                Kind::RefundFailed,
                Kind::RefundReversed,
            ],
            Self::CaptureFailed => &[Kind::CaptureFailed],
            Self::CaptureRefused => &[Kind::CaptureRefused],
            Self::CaptureShort => &[Kind::Captured, Kind::CapturedTotal],
            Self::AuthorisationEnded => &[Kind::Voided],
            Self::AuthorisationOpen => &[Kind::RefundByHand],
            Self::PartRefunded => &[Kind::Refunded, Kind::RefundedTotal],
            Self::Returned => &[Kind::Returned],
            Self::DisputeOpen => &[Kind::DisputeOpened],
            Self::DisputeLost => &[Kind::DisputeUndefended, Kind::DisputeLost],
            Self::FraudWarning => &[Kind::FraudWarning],
            Self::ReviewOpen => &[Kind::ReviewOpened],
            Self::CompletedUnpaid | Self::Unconfirmed | Self::Unreadable | Self::ReportRefused => {
                &[]
            }
        }
    }

    /// Returns whether the concern is money that the customer still owes. Such a concern ends with
    /// its order, and when other payments reach the order's total.
    pub const fn is_money_to_collect(self) -> bool {
        match self {
            Self::CaptureFailed
            | Self::CaptureRefused
            | Self::CaptureShort
            | Self::AuthorisationEnded
            | Self::Returned => true,
            Self::Unmatched
            | Self::RefundDue
            | Self::AuthorisationOpen
            | Self::PartRefunded
            | Self::DisputeOpen
            | Self::DisputeLost
            | Self::FraudWarning
            | Self::ReviewOpen
            | Self::CompletedUnpaid
            | Self::Unconfirmed
            | Self::Unreadable
            | Self::ReportRefused => false,
        }
    }

    /// Returns the operator's next step in plain English, with the commands for it.
    pub fn next_step(self, subject: ConcernSubject<'_>) -> String {
        let provider = match subject.provider {
            EXTERNAL => "the provider",
            provider => provider,
        };
        let payment = subject.transaction_id.unwrap_or("the payment");
        let order = subject.order_id.unwrap_or("ORDER_ID");
        let amount = subject
            .amount
            .map_or_else(|| "the money".to_owned(), |amount| amount.to_string());
        let close = format!("orderflow money resolve {} --note TEXT", subject.entry_id);
        match self {
            Self::Unmatched => format!(
                "find the customer of {payment} at {provider}; if it pays an open order, run: \
                 orderflow confirm-payment ORDER_ID --transaction-id {payment} --amount AMOUNT. Otherwise refund \
                 the money at {provider}; if {provider} does not report the refund, run: {close}"
            ),
            Self::RefundDue if subject.is_disputed => format!(
                "accept the dispute of {payment} at {provider}, which returns the money, and do not refund it as \
                 well; if {provider} does not report the decision, run: {close}"
            ),
            Self::RefundDue => format!(
                "refund {payment} at {provider}, because orderflow cannot refund it: {amount}; \
                 if {provider} does not report the refund, run: {close}"
            ),
            Self::CaptureFailed => format!(
                "look up the failed capture of {payment} at {provider}; if {provider} does not repeat it, ask the \
                 customer of {order} for another payment, whose event closes the entry. If the money comes in another \
                 way, run: {close}"
            ),
            Self::CaptureRefused => format!(
                "correct and repeat the capture of {payment} at {provider}, or ask the customer of {order} for another \
                 payment; the entry closes with the money. If it comes in another way, run: {close}"
            ),
            Self::CaptureShort => format!(
                "capture the rest of {payment} at {provider}, or ask the customer of {order} for another payment; \
                 the entry closes with it. If the money comes in another way, run: {close}"
            ),
            Self::AuthorisationEnded => format!(
                "ask the customer of {order} for another payment, whose event closes the entry, because the authorisation \
                 {payment} has ended. If the money comes in another way, run: {close}"
            ),
            Self::AuthorisationOpen => format!(
                "cancel the authorisation {payment} at {provider}, because orderflow cannot; the customer's money is \
                 reserved until then. If {provider} does not report it, run: {close}"
            ),
            Self::PartRefunded => format!(
                "decide about {order}, because {payment} was refunded at {provider}; to ship it, run: \
                 orderflow approve {order}. To cancel it and refund the rest, run: orderflow reject {order}. \
                 Another payment of the missing money releases it too. If it is shipped, collect the money again, \
                 then run: {close}"
            ),
            Self::Returned => format!(
                "ask the customer of {order} for another payment, whose event closes the entry, because the customer's \
                 bank returned {payment}. If the money comes in another way, run: {close}"
            ),
            Self::DisputeOpen => format!(
                "answer the dispute of {payment} at {provider} before its deadline; the entry closes with the decision"
            ),
            Self::DisputeLost if subject.is_order_closed => format!(
                "check at {provider} that {payment} was not refunded as well, because the bank has returned it to the \
                 customer and {order} was not shipped; then run: {close}"
            ),
            Self::DisputeLost => format!(
                "collect the lost money of {payment} in another way or write it off, then run: {close}"
            ),
            Self::FraudWarning if subject.is_order_shipped => format!(
                "check {payment} at {provider}, because {order} is shipped; if it is fraud, refund {amount} there \
                 before the customer's bank disputes it. Then run: {close}"
            ),
            Self::FraudWarning => format!(
                "check {payment} at {provider}; if it is fraud, run: orderflow cancel {order}. If it is not, run: {close}"
            ),
            Self::ReviewOpen => format!(
                "decide the review of {payment} at {provider}; the entry closes with the decision"
            ),
            Self::CompletedUnpaid => format!(
                "ask the customer of {order} to pay, or run: orderflow cancel {order}. \
                 The customer completed the checkout at {provider} without paying the total"
            ),
            Self::Unconfirmed if subject.event_type.is_some_and(reports_no_payment) => format!(
                "look up {payment} at {provider} and the order: orderflow show {order}. \
                 The event confirms no payment; after the check, run: {close}"
            ),
            Self::Unconfirmed if subject.is_order_closed => format!(
                "look up {payment} at {provider}; if it is paid, refund it there, because {order} has ended. \
                 Then run: {close}"
            ),
            Self::Unconfirmed => format!(
                "look up {payment} at {provider}; if it is paid, run: orderflow confirm-payment {order} \
                 --transaction-id ID --amount AMOUNT. If it is not, run: {close}"
            ),
            Self::Unreadable => format!(
                "look up {payment} at {provider} and the order: orderflow show {order}. orderflow could not read the \
                 event, so what it reports is missing here; after the check, run: {close}"
            ),
            Self::ReportRefused => format!(
                "look up {payment} at its provider, because {order} refused it; if it is paid, refund it there or \
                 correct the confirmation. Then run: {close}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_next_step_names_its_subject() {
        for concern in Concern::ALL {
            let step = concern.next_step(ConcernSubject {
                entry_id: "P1:x",
                provider: "stripe",
                transaction_id: Some("pi_1"),
                order_id: Some("ORD-1"),
                event_type: None,
                is_order_closed: false,
                is_order_shipped: false,
                is_disputed: false,
                amount: None,
            });
            assert!(step.contains("pi_1") || step.contains("ORD-1"), "{step}");
            let closes_itself = step.contains("closes with the decision");
            let is_command = step.contains(": orderflow ");
            assert!(closes_itself != is_command, "{step}");
        }
    }

    #[test]
    fn charge_back_never_asks_for_a_confirmation() {
        for concern in Concern::ALL {
            let step = concern.next_step(ConcernSubject {
                entry_id: "P1:x",
                provider: "external",
                transaction_id: None,
                order_id: None,
                event_type: None,
                is_order_closed: false,
                is_order_shipped: false,
                is_disputed: false,
                amount: None,
            });
            assert_eq!(
                step.contains("confirm-payment"),
                matches!(concern, Concern::Unconfirmed | Concern::Unmatched),
                "{step}"
            );
            assert!(!step.contains("external"), "{step}");
        }
    }

    #[test]
    fn unconfirmed_charge_back_asks_for_a_look_at_the_order() {
        let step = Concern::Unconfirmed.next_step(ConcernSubject {
            entry_id: "gocardless:EV1:unconfirmed",
            provider: "gocardless",
            transaction_id: Some("PM1"),
            order_id: Some("ORD-1"),
            event_type: Some("payments.charged_back"),
            is_order_closed: false,
            is_order_shipped: false,
            is_disputed: false,
            amount: None,
        });
        assert!(!step.contains("confirm-payment"), "{step}");
        assert!(step.contains("orderflow show ORD-1"), "{step}");
    }

    #[test]
    fn each_concern_of_a_balance_has_a_cause() {
        for concern in Concern::ALL {
            let is_of_event = matches!(
                concern,
                Concern::CompletedUnpaid
                    | Concern::Unconfirmed
                    | Concern::Unreadable
                    | Concern::ReportRefused
            );
            assert_eq!(concern.causes().is_empty(), is_of_event, "{concern}");
        }
        let to_collect = Concern::ALL.iter().filter(|one| one.is_money_to_collect());
        assert_eq!(to_collect.count(), 5);
    }
}
