//! Details of one workflow for operators: its description and its history.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use temporalio_client::{
    Client, UntypedWorkflow, WorkflowDescribeOptions, WorkflowExecutionDescription,
    WorkflowFetchHistoryOptions,
};
use temporalio_common::protos::temporal::api::history::v1::HistoryEvent;

use crate::{Error, OrderClient, client::SERVER_TIMEOUT, grpc_error::CallError, payload};
use contract::order_workflow_id;
use domain::OrderId;

/// The description of an order's or a shipment's workflow.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkflowDescription {
    pub workflow_id: String,
    pub run_id: String,
    pub workflow_type: String,
    pub status: String,
    pub task_queue: String,
    pub started_at: Option<DateTime<Utc>>,
    pub closed_at: Option<DateTime<Utc>>,
    pub parent_workflow_id: Option<String>,
    pub history_events: usize,
    pub state_transitions: i64,
    pub search_attributes: Map<String, Value>,
    pub memo: Map<String, Value>,
    pub pending_activities: Vec<PendingActivity>,
    pub pending_children: Vec<String>,
}

/// An activity that runs or is retried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingActivity {
    pub activity: String,
    pub attempt: i32,
    pub last_failure: Option<String>,
}

/// An event of a history.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkflowEvent {
    pub event_id: i64,
    pub time: Option<DateTime<Utc>>,
    #[serde(rename = "type")]
    pub kind: String,
    /// The attributes with Temporal's names and decoded payloads.
    pub attributes: Value,
}

impl WorkflowEvent {
    /// Returns the id of the child workflow that this event started.
    pub fn started_child(&self) -> Option<&str> {
        let is_start = self.kind == "ChildWorkflowExecutionStarted";
        self.attributes
            .pointer("/workflow_execution/workflowId")
            .filter(|_| is_start)?
            .as_str()
    }
}

/// The position of a signal in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignalPosition {
    BeforeActivities,
    AfterActivity,
    /// The history has neither the signal nor an activity. Temporal adds a signal after the running
    /// workflow task.
    Unknown,
}

impl SignalPosition {
    fn from_events(events: &[WorkflowEvent], signal: &str) -> Self {
        events
            .iter()
            .find_map(|event| match event.kind.as_str() {
                "ActivityTaskScheduled" => Some(Self::AfterActivity),
                "WorkflowExecutionSignaled" if event.attributes["signal_name"] == signal => {
                    Some(Self::BeforeActivities)
                }
                _ => None,
            })
            .unwrap_or(Self::Unknown)
    }
}

impl OrderClient {
    /// Returns the position of the first signal with this name relative to the first activity.
    /// Local activities do not count.
    #[tracing::instrument(name = "temporal.signal_position", skip_all)]
    pub async fn find_signal_position(
        &self,
        workflow_id: &str,
        signal: &str,
    ) -> Result<SignalPosition, Error> {
        let events = self.history_exactly(workflow_id).await?;
        Ok(SignalPosition::from_events(&events, signal))
    }

    /// Describes the workflow with this id, or the workflow of the order with this id.
    pub async fn describe_workflow(&self, id: &str) -> Result<WorkflowDescription, Error> {
        match self.describe_exactly(id).await {
            Err(Error::NotFound) => self.describe_exactly(&parse_order_workflow_id(id)?).await,
            found => found,
        }
    }

    /// Returns the history of the workflow with this id, or of the order with this id, together
    /// with the id of the workflow.
    pub async fn read_history(&self, id: &str) -> Result<(String, Vec<WorkflowEvent>), Error> {
        match self.history_exactly(id).await {
            Err(Error::NotFound) => {
                let id = parse_order_workflow_id(id)?;
                let events = self.history_exactly(&id).await?;
                Ok((id, events))
            }
            found => Ok((id.to_owned(), found?)),
        }
    }

    async fn describe_exactly(&self, workflow_id: &str) -> Result<WorkflowDescription, Error> {
        let call = |client: Client| async move {
            let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id);
            handle.describe(WorkflowDescribeOptions::default()).await
        };
        self.connection
            .call(SERVER_TIMEOUT, call)
            .await
            .map(|found| description_from_execution(&found))
            .map_err(CallError::into_error)
    }

    async fn history_exactly(&self, workflow_id: &str) -> Result<Vec<WorkflowEvent>, Error> {
        let call = |client: Client| async move {
            let handle = client.get_workflow_handle::<UntypedWorkflow>(workflow_id);
            handle
                .fetch_history(WorkflowFetchHistoryOptions::default())
                .into_events()
                .await
        };
        let events = self
            .connection
            .call(SERVER_TIMEOUT, call)
            .await
            .map_err(CallError::into_error)?;
        Ok(events.iter().map(event_from_history).collect())
    }
}

fn parse_order_workflow_id(id: &str) -> Result<String, Error> {
    OrderId::parse(id)
        .map(|id| order_workflow_id(&id))
        .map_err(|_| Error::NotFound)
}

fn description_from_execution(found: &WorkflowExecutionDescription) -> WorkflowDescription {
    let raw = found.raw();
    let info = raw.workflow_execution_info.as_ref();
    let attributes = info.and_then(|info| info.search_attributes.as_ref());
    let memo = info.and_then(|info| info.memo.as_ref());
    WorkflowDescription {
        workflow_id: found.id().to_owned(),
        run_id: found.run_id().to_owned(),
        workflow_type: found.workflow_type().to_owned(),
        status: format!("{:?}", found.status()),
        task_queue: found.task_queue().to_owned(),
        started_at: found.start_time().map(DateTime::from),
        closed_at: found.close_time().map(DateTime::from),
        parent_workflow_id: found.parent_id().map(str::to_owned),
        history_events: found.history_length(),
        state_transitions: info.map_or(0, |info| info.state_transition_count),
        search_attributes: attributes
            .map(|found| payload::decode_payloads(&found.indexed_fields))
            .unwrap_or_default(),
        memo: memo
            .map(|found| payload::decode_payloads(&found.fields))
            .unwrap_or_default(),
        pending_activities: raw
            .pending_activities
            .iter()
            .map(|pending| PendingActivity {
                activity: pending
                    .activity_type
                    .as_ref()
                    .map(|kind| kind.name.clone())
                    .unwrap_or_default(),
                attempt: pending.attempt,
                last_failure: pending
                    .last_failure
                    .as_ref()
                    .map(|failure| failure.message.clone()),
            })
            .collect(),
        pending_children: raw
            .pending_children
            .iter()
            .map(|child| child.workflow_id.clone())
            .collect(),
    }
}

fn event_from_history(event: &HistoryEvent) -> WorkflowEvent {
    let attributes = event
        .attributes
        .as_ref()
        .and_then(|attributes| serde_json::to_value(attributes).ok());
    // The JSON object has one member, which is named after the type of the event.
    let named = match attributes {
        Some(Value::Object(members)) => members.into_iter().next(),
        Some(
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
        )
        | None => None,
    };
    let (name, attributes) = named.unwrap_or_default();
    WorkflowEvent {
        event_id: event.event_id,
        time: event
            .event_time
            .and_then(|time| DateTime::from_timestamp(time.seconds, time.nanos.try_into().ok()?)),
        kind: name
            .strip_suffix("EventAttributes")
            .unwrap_or(&name)
            .to_owned(),
        attributes: payload::decode_nested_payloads(attributes),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn signal_position_is_relative_to_first_activity() {
        let position = |kinds: &[&str]| {
            let events: Vec<_> = kinds
                .iter()
                .map(|kind| WorkflowEvent {
                    event_id: 1,
                    time: None,
                    kind: (*kind).to_owned(),
                    attributes: json!({"signal_name": "stop"}),
                })
                .collect();
            SignalPosition::from_events(&events, "stop")
        };
        let (start, signal, activity) = (
            "WorkflowExecutionStarted",
            "WorkflowExecutionSignaled",
            "ActivityTaskScheduled",
        );
        assert_eq!(position(&[start]), SignalPosition::Unknown);
        assert_eq!(
            position(&[start, signal, activity]),
            SignalPosition::BeforeActivities
        );
        assert_eq!(
            position(&[start, activity, signal]),
            SignalPosition::AfterActivity
        );
    }
}
