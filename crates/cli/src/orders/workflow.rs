//! `describe` and `history`: both read Temporal only, so they work without API, database and
//! worker.

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::arguments::WorkflowArguments;
use crate::{
    output::{format_fields, paint_heading, print, print_json, replace_control_characters},
    target,
};
use order_client::{PendingActivity, WorkflowDescription, WorkflowEvent};

pub(crate) async fn describe_workflow(arguments: WorkflowArguments) -> Result<()> {
    let found = target::connect_orders()?
        .describe_workflow(&arguments.id)
        .await;
    let found = found.map_err(|error| target::explain_temporal_error(error, &arguments.id))?;
    if arguments.output.json {
        print_json(&found)
    } else {
        print(&format_description(&found))
    }
}

fn format_description(found: &WorkflowDescription) -> String {
    let named = |members: &Map<String, Value>| {
        members
            .iter()
            .map(|(name, value)| format!("{name}={}", text_of(value)))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let pending = |pending: &PendingActivity| {
        let failure = pending
            .last_failure
            .as_ref()
            .map(|failure| format!(": {failure}"))
            .unwrap_or_default();
        format!(
            "{} (attempt {}{failure})",
            pending.activity, pending.attempt
        )
    };
    format_fields(&[
        ("workflow", found.workflow_id.clone()),
        ("run", found.run_id.clone()),
        ("type", found.workflow_type.clone()),
        ("status", found.status.clone()),
        ("task queue", found.task_queue.clone()),
        (
            "parent",
            found.parent_workflow_id.clone().unwrap_or_default(),
        ),
        ("started", time(found.started_at)),
        ("closed", time(found.closed_at)),
        (
            "history",
            format!(
                "{} events, {} state transitions",
                found.history_events, found.state_transitions
            ),
        ),
        ("searchable by", named(&found.search_attributes)),
        ("memo", named(&found.memo)),
        (
            "activities",
            found
                .pending_activities
                .iter()
                .map(pending)
                .collect::<Vec<_>>()
                .join(", "),
        ),
        ("children", found.pending_children.join(", ")),
    ])
}

pub(crate) async fn show_history(arguments: WorkflowArguments) -> Result<()> {
    let orders = target::connect_orders()?;
    let (workflow_id, events) = orders
        .read_history(&arguments.id)
        .await
        .map_err(|error| target::explain_temporal_error(error, &arguments.id))?;
    let mut histories = vec![(workflow_id, events)];
    let children: Vec<_> = histories[0]
        .1
        .iter()
        .filter_map(|event| event.started_child().map(str::to_owned))
        .collect();
    for child in children {
        histories.push(
            orders
                .read_history(&child)
                .await
                .map_err(|error| target::explain_temporal_error(error, &child))?,
        );
    }
    if arguments.output.json {
        let document = |(id, events): &(String, Vec<WorkflowEvent>)| json!({"workflow_id": id, "events": events});
        let mut documents = histories.iter().map(document);
        let mut whole = documents.next().unwrap_or_default();
        whole["children"] = documents.collect();
        return print_json(&whole);
    }
    let width = histories
        .iter()
        .flat_map(|(_, events)| events)
        .map(|event| event.kind.len())
        .max()
        .unwrap_or_default();
    for (id, events) in &histories {
        print(&paint_heading(id))?;
        for event in events {
            let line = format!(
                "{:>4}  {}  {:<width$}  {}",
                event.event_id,
                time(event.time),
                event.kind,
                summarize(event)
            );
            print(line.trim_end())?;
        }
    }
    Ok(())
}

/// The attributes of history events that the one-line summary shows: label and JSON pointer.
/// Temporal names some attributes in snake case and some in camel case.
const SUMMARY_FIELDS: [(&str, &str); 17] = [
    ("", "/workflow_type/name"),
    ("", "/activity_type/name"),
    ("", "/details/data/payloads/0/activity_type"),
    ("", "/signal_name"),
    ("", "/accepted_request/input/name"),
    ("", "/workflow_execution/workflowId"),
    ("timer", "/timer_id"),
    ("after", "/start_to_fire_timeout"),
    ("of event", "/scheduled_event_id"),
    ("of update", "/accepted_event_id"),
    ("input", "/input/payloads"),
    ("input", "/accepted_request/input/args/payloads"),
    ("result", "/result/payloads"),
    ("result", "/details/result/payloads"),
    ("outcome", "/outcome/value/Success/payloads"),
    ("failure", "/failure/message"),
    ("set", "/search_attributes/indexedFields"),
];

/// Summarizes one event on one line; `--json` has all of it.
fn summarize(event: &WorkflowEvent) -> String {
    const MAX_VALUE_LENGTH: usize = 160;
    let part = |(name, pointer): &(&str, &str)| {
        let value = event.attributes.pointer(pointer)?;
        let value = text_of(
            value
                .as_array()
                .filter(|values| values.len() == 1)
                .map_or(value, |values| &values[0]),
        );
        let shown: String = value.chars().take(MAX_VALUE_LENGTH).collect();
        let rest = if shown.len() < value.len() { "…" } else { "" };
        let name = if name.is_empty() {
            String::new()
        } else {
            format!("{name} ")
        };
        Some(format!("{name}{shown}{rest}"))
            .filter(|_| !matches!(value.as_str(), "" | "null" | "[]"))
    };
    // Workflow tasks have no attributes of interest; the events that they caused follow.
    if event.kind.starts_with("WorkflowTask") && event.kind != "WorkflowTaskFailed" {
        return String::new();
    }
    replace_control_characters(
        &SUMMARY_FIELDS
            .iter()
            .filter_map(part)
            .collect::<Vec<_>>()
            .join("  "),
    )
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn time(time: Option<DateTime<Utc>>) -> String {
    time.map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
        .unwrap_or_default()
}
