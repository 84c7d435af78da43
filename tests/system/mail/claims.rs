//! Claims of mails in the outbox, without a worker.

use std::time::Duration;

use chrono::DateTime;
use futures::future::join_all;
use serde_json::json;

use crate::shared_servers::shared_servers;
use domain::{AuditEventType, OrderId, OrderState};
use store::{
    PgPool,
    order_write::{Fence, OrderWrite, write_order},
    outbox::{self, ClaimOptions, ClaimedMails, MailOutcome},
    verify::find_violations,
};

/// Writes an order with this number of pending mails, without a workflow.
pub(super) async fn write_order_with_mails(pool: &PgPool, id: &str, email: &str, mails: usize) {
    let mut state = OrderState::new(OrderId::parse(id).unwrap(), DateTime::UNIX_EPOCH);
    let order = json!({
        "customer": {"id": "CUST-1", "email": email},
        "items": [{"sku": "SKU-1", "quantity": 2, "price": 5}],
    });
    state.order = Some(contract::parse_order(&order.to_string()).unwrap());
    // Each event except the first one causes a mail.
    let kinds = [
        AuditEventType::OrderReceived,
        AuditEventType::OrderValidated,
        AuditEventType::PaymentCaptured,
        AuditEventType::OrderShipped,
    ];
    let events: Vec<_> = kinds[..=mails]
        .iter()
        .map(|kind| state.append_audit_event(*kind, json!({}), DateTime::UNIX_EPOCH))
        .collect();
    let fence = Fence {
        chain_id: Some("run-1"),
        run_id: "run-1",
        version: 1,
        task_time: DateTime::UNIX_EPOCH,
    };
    let write = OrderWrite {
        state: &state,
        fence,
        events: &events,
    };
    write_order(pool, write).await.unwrap();
}

async fn create_database(name: &str) -> PgPool {
    let url = shared_servers().await.create_database(name).await;
    crate::harness::connect_patiently(&url).await
}

async fn claim(pool: &PgPool, limit: u32, lease: Duration) -> ClaimedMails {
    let claim = ClaimOptions {
        settle_time: Duration::ZERO,
        lease,
        host: "shop.example",
        limit,
    };
    outbox::claim_due(pool, claim).await.unwrap()
}

const LEASE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn mail_behind_an_earlier_one_is_read_once() {
    let pool = create_database("mail_blocked").await;
    write_order_with_mails(&pool, "order-1", "john@example.com", 3).await;
    // The claim reads all three mails. The later ones are not due until the earlier one is final.
    let mut claimed = claim(&pool, 3, LEASE).await;
    assert!(claimed.is_full);
    for (kind, outcome, has_next) in [
        ("order_received", MailOutcome::Sent, true),
        (
            "payment_confirmed",
            MailOutcome::Rejected("no".to_owned()),
            true,
        ),
        ("order_shipped", MailOutcome::Sent, false),
    ] {
        let [due] = &claimed.mails[..] else {
            panic!("one mail is due: {claimed:?}")
        };
        assert_eq!((due.kind.as_str(), due.attempts), (kind, 1));
        let none = claim(&pool, 1, LEASE).await;
        assert!(none.mails.is_empty() && !none.is_full, "{none:?}");
        let recorded = outbox::record_outcome(&pool, due, &outcome).await.unwrap();
        assert_eq!(recorded, has_next);
        claimed = claim(&pool, 3, LEASE).await;
    }
    assert!(claimed.mails.is_empty(), "{claimed:?}");
    assert_eq!(find_violations(&pool).await.unwrap(), []);
}

#[tokio::test]
async fn released_mail_is_due_without_an_attempt() {
    let pool = create_database("mail_released").await;
    write_order_with_mails(&pool, "order-1", "john@example.com", 1).await;
    let ended = claim(&pool, 9, Duration::ZERO).await.mails;
    let second = claim(&pool, 9, LEASE).await.mails;
    assert_eq!((ended[0].attempts, second[0].attempts), (1, 2));
    // A worker whose lease has ended does not end the lease of another one.
    outbox::release(&pool, &ended, None).await.unwrap();
    let retry = MailOutcome::Retry {
        pause: Duration::ZERO,
        reason: "busy".to_owned(),
    };
    outbox::record_outcome(&pool, &ended[0], &retry)
        .await
        .unwrap();
    assert_eq!(claim(&pool, 9, LEASE).await.mails, []);
    outbox::release(&pool, &second, Some("unavailable"))
        .await
        .unwrap();
    assert_eq!(claim(&pool, 9, LEASE).await.mails[0].attempts, 2);
    assert_eq!(find_violations(&pool).await.unwrap(), []);
}

/// A lost wake-up would leave a mail postponed for longer than the test.
#[tokio::test]
async fn concurrent_claims_leave_no_mail_behind() {
    const ORDERS: usize = 60;
    let pool = create_database("mail_concurrent").await;
    for number in 0..ORDERS {
        write_order_with_mails(&pool, &format!("order-{number}"), "john@example.com", 3).await;
    }
    let send_all = async || {
        let mut sent = Vec::new();
        while outbox::count_pending(&pool).await.unwrap() > 0 {
            let claimed = claim(&pool, 8, LEASE).await;
            for due in &claimed.mails {
                outbox::record_outcome(&pool, due, &MailOutcome::Sent)
                    .await
                    .unwrap();
            }
            sent.extend(claimed.mails.into_iter().map(|due| (due.id, due.attempts)));
        }
        sent
    };
    let workers = (0..6).map(|_| send_all());
    let mut sent = tokio::time::timeout(crate::harness::MAX_WAIT, join_all(workers))
        .await
        .expect("all mails are sent")
        .concat();
    sent.sort_unstable();
    sent.dedup();
    assert_eq!(sent.len(), 3 * ORDERS);
    assert!(sent.iter().all(|(_, attempts)| *attempts == 1), "{sent:?}");
    assert_eq!(find_violations(&pool).await.unwrap(), []);
}
