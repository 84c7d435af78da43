//! `money show`: prints an entry of the work list, and payments with their movements.

use anyhow::{Result, bail};
use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::{arguments::ShowMoney, list::format_amount};
use crate::{
    output::{format_fields, format_table, print, print_json},
    target,
};
use contract::{AttentionEntry, parse_order_workflow_id};
use domain::{Concern, Currency, Money};
use store::{
    PgPool,
    attention::{self, AttentionFilter},
    transactions::{self, MovementRecord, TransactionRecord},
};

pub(super) async fn show_money(arguments: ShowMoney) -> Result<()> {
    let pool = target::open_database().await?;
    let id = arguments.id.as_str();
    let entry = attention::find(&pool, id).await?;
    let mut entries: Vec<_> = entry.into_iter().collect();
    let mut payments = Vec::new();
    for transaction in find_transactions(&pool, id, entries.first()).await? {
        let movements = transactions::list_movements(&pool, &transaction.payment_id).await?;
        for open in open_entries(&pool, &transaction.payment_id).await? {
            if !entries.contains(&open) {
                entries.push(open);
            }
        }
        payments.push((transaction, movements));
    }
    if entries.is_empty() && payments.is_empty() {
        bail!(
            "{id}: no entry, payment, transaction or order with a payment has this id; \
             `orderflow money list` shows the open entries"
        );
    }
    if arguments.output.json {
        let payments: Vec<_> = payments
            .iter()
            .map(|(transaction, movements)| transaction_json(transaction, movements))
            .collect();
        return print_json(
            &json!({"entry": entries.first(), "entries": entries, "payments": payments}),
        );
    }
    let entries = entries.iter().map(format_entry);
    let payments = payments
        .iter()
        .map(|(transaction, movements)| format_transaction(transaction, movements));
    print(&entries.chain(payments).collect::<Vec<_>>().join("\n\n"))
}

/// Reads the open entries about a payment: its id, or its id at the provider.
pub(crate) async fn open_entries(pool: &PgPool, payment: &str) -> Result<Vec<AttentionEntry>> {
    let filter = AttentionFilter {
        payment: Some(payment.to_owned()),
        ..AttentionFilter::default()
    };
    Ok(attention::list(pool, &filter, 100).await?)
}

/// Finds the payment of an entry, also of a closed one, or the payments with this id.
async fn find_transactions(
    pool: &PgPool,
    id: &str,
    entry: Option<&AttentionEntry>,
) -> Result<Vec<TransactionRecord>> {
    if let Some(entry) = entry {
        return match &entry.payment_id {
            Some(payment_id) => Ok(transactions::find(pool, payment_id).await?),
            None => Ok(Vec::new()),
        };
    }
    let found = transactions::find(pool, id).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    let of_entry = id
        .rsplit_once(':')
        .filter(|(_, concern)| Concern::parse(concern).is_some())
        .map(|(payment_id, _)| payment_id.to_owned());
    let of_workflow = || parse_order_workflow_id(id).map(|order_id| order_id.to_string());
    match of_entry.or_else(of_workflow) {
        Some(id) => Ok(transactions::find(pool, &id).await?),
        None => Ok(found),
    }
}

fn format_entry(entry: &AttentionEntry) -> String {
    let status = entry.order_status.map(|status| format!(" ({status})"));
    let order = entry.order_id.clone().unwrap_or_default();
    format_fields(&[
        ("entry", entry.id.clone()),
        ("concern", entry.concern.to_string()),
        ("amount", format_amount(entry)),
        ("order", order + &status.unwrap_or_default()),
        (
            "transaction",
            entry.transaction_id.clone().unwrap_or_default(),
        ),
        ("provider", entry.provider.clone()),
        (
            "since",
            entry.since.to_rfc3339_opts(SecondsFormat::Secs, true),
        ),
        ("next step", entry.next_step.clone()),
    ])
}

fn format_transaction(transaction: &TransactionRecord, movements: &[MovementRecord]) -> String {
    let money = |minor: i64| format_minor(minor, &transaction.currency);
    let present = |minor: i64| match minor {
        0 => String::new(),
        minor => money(minor),
    };
    let fields = format_fields(&[
        ("payment", transaction.payment_id.clone()),
        (
            "transaction",
            transaction.transaction_id.clone().unwrap_or_default(),
        ),
        ("aliases", transaction.aliases.join(", ")),
        (
            "provider",
            format!(
                "{}, reported by {}",
                transaction.provider, transaction.source
            ),
        ),
        ("order", transaction.order_id.clone().unwrap_or_default()),
        ("status", transaction.status.clone()),
        ("authorised", present(transaction.authorised)),
        ("captured", money(transaction.captured)),
        ("refunded", present(transaction.refunded)),
        ("lost", present(transaction.lost)),
        ("allocated", present(transaction.allocated)),
        ("due", present(transaction.due)),
        ("unmatched", present(transaction.unmatched)),
        ("dispute", transaction.dispute.clone().unwrap_or_default()),
        ("concerns", list_concerns(transaction)),
    ]);
    if movements.is_empty() {
        return fields;
    }
    let row = |movement: &MovementRecord| {
        vec![
            movement
                .recorded_at
                .to_rfc3339_opts(SecondsFormat::Secs, true),
            movement.kind.clone(),
            movement.amount.map(money).unwrap_or_default(),
            movement.reference.clone(),
        ]
    };
    let rows: Vec<_> = movements.iter().map(row).collect();
    let table = format_table(&["RECORDED", "MOVEMENT", "AMOUNT", "REFERENCE"], &rows);
    format!("{fields}\n{table}")
}

fn list_concerns(transaction: &TransactionRecord) -> String {
    let concerns = transaction.concerns.as_object();
    let concerns = concerns.into_iter().flatten().map(|(concern, amount)| {
        let amount = amount.as_i64().unwrap_or_default();
        format!("{concern} {}", format_minor(amount, &transaction.currency))
    });
    concerns.collect::<Vec<_>>().join(", ")
}

fn format_minor(minor: i64, currency: &str) -> String {
    to_money(minor, currency).map_or_else(|| minor.to_string(), |money| money.to_string())
}

fn to_money(minor: i64, currency: &str) -> Option<Money> {
    Money::from_minor(minor, Currency::parse(currency).ok()?).ok()
}

fn transaction_json(transaction: &TransactionRecord, movements: &[MovementRecord]) -> Value {
    let decimal = |minor: i64| to_money(minor, &transaction.currency).map(Money::decimal);
    let concerns: serde_json::Map<_, _> = transaction
        .concerns
        .as_object()
        .into_iter()
        .flatten()
        .map(|(concern, amount)| {
            let amount = decimal(amount.as_i64().unwrap_or_default());
            (concern.clone(), json!(amount))
        })
        .collect();
    let movements: Vec<_> = movements
        .iter()
        .map(|movement| {
            json!({
                "kind": movement.kind,
                "reference": movement.reference,
                "amount": movement.amount.and_then(decimal),
                "recorded_at": movement.recorded_at,
            })
        })
        .collect();
    json!({
        "payment_id": transaction.payment_id,
        "transaction_id": transaction.transaction_id,
        "aliases": transaction.aliases,
        "provider": transaction.provider,
        "source": transaction.source,
        "order_id": transaction.order_id,
        "status": transaction.status,
        "currency": transaction.currency,
        "authorised": decimal(transaction.authorised),
        "captured": decimal(transaction.captured),
        "refunded": decimal(transaction.refunded),
        "lost": decimal(transaction.lost),
        "allocated": decimal(transaction.allocated),
        "due": decimal(transaction.due),
        "unmatched": decimal(transaction.unmatched),
        "dispute": transaction.dispute,
        "concerns": concerns,
        "created_at": transaction.created_at,
        "updated_at": transaction.updated_at,
        "movements": movements,
    })
}
