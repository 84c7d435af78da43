//! The load of an order on Temporal: state transitions, history events and billable actions.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use temporalio_client::{
    Client, UntypedWorkflow, WorkflowDescribeOptions, WorkflowFetchHistoryOptions,
};
use temporalio_common::protos::temporal::api::history::v1::{
    HistoryEvent, history_event::Attributes,
};

/// The load of one order, with its child workflows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TemporalCounts {
    pub(crate) state_transitions: u64,
    pub(crate) history_events: u64,
    pub(crate) billable_actions: u64,
}

/// The search attribute of versioning, whose update is free.
const FREE_ATTRIBUTE: &str = "TemporalChangeVersion";

/// Returns the number of actions that Temporal Cloud bills for a history, by
/// <https://docs.temporal.io/cloud/actions>:
///
/// - the start of the workflow, unless it is a child: a parent pays two for each child;
/// - each attempt of an activity;
/// - all markers (local activities, patches) of one workflow task: one;
/// - each timer, update of search attributes, received signal, accepted update, and change of options.
///
/// Queries, heartbeats and rejected updates also cost actions, but are not in a history. A happy order
/// has none of them.
#[expect(clippy::wildcard_enum_match_arm, reason = "all other events are free")]
fn count_billable_actions(history: &[HistoryEvent]) -> u64 {
    let mut tasks_with_markers = BTreeSet::new();
    let actions = history
        .iter()
        .filter_map(|event| event.attributes.as_ref())
        .map(|attributes| match attributes {
            Attributes::WorkflowExecutionStartedEventAttributes(started) => {
                u64::from(started.parent_workflow_execution.is_none())
            }
            Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(_) => 2,
            Attributes::ActivityTaskStartedEventAttributes(started) => {
                u64::try_from(started.attempt).unwrap_or_default().max(1)
            }
            Attributes::MarkerRecordedEventAttributes(marker) => {
                u64::from(tasks_with_markers.insert(marker.workflow_task_completed_event_id))
            }
            Attributes::UpsertWorkflowSearchAttributesEventAttributes(upsert) => {
                let fields = upsert.search_attributes.as_ref();
                let is_billed = fields.is_some_and(|fields| {
                    fields
                        .indexed_fields
                        .keys()
                        .any(|name| name != FREE_ATTRIBUTE)
                });
                u64::from(is_billed)
            }
            Attributes::TimerStartedEventAttributes(_)
            | Attributes::WorkflowExecutionSignaledEventAttributes(_)
            | Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(_)
            | Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(_) => 1,
            _ => 0,
        });
    actions.sum()
}

/// Returns the ids of the child workflows that a history started.
fn started_children(history: &[HistoryEvent]) -> Vec<String> {
    let id = |event: &HistoryEvent| match &event.attributes {
        Some(Attributes::ChildWorkflowExecutionStartedEventAttributes(started)) => started
            .workflow_execution
            .as_ref()
            .map(|execution| execution.workflow_id.clone()),
        Some(_) | None => None,
    };
    history.iter().filter_map(id).collect()
}

/// Reads the load of a closed workflow and of all its children.
pub(crate) async fn read_counts(client: &Client, workflow_id: String) -> Result<TemporalCounts> {
    let mut counts = TemporalCounts::default();
    let mut open = vec![workflow_id];
    while let Some(id) = open.pop() {
        let handle = client.get_workflow_handle::<UntypedWorkflow>(id.clone());
        let described = handle
            .describe(WorkflowDescribeOptions::default())
            .await
            .with_context(|| format!("failed to describe the workflow {id}"))?;
        let history = handle
            .fetch_history(WorkflowFetchHistoryOptions::default())
            .into_events()
            .await
            .with_context(|| format!("failed to read the history of the workflow {id}"))?;
        let info = described.raw().workflow_execution_info.as_ref();
        let transitions = info.map_or(0, |info| info.state_transition_count);
        counts.state_transitions += u64::try_from(transitions).unwrap_or_default();
        counts.history_events += history.len() as u64;
        counts.billable_actions += count_billable_actions(&history);
        open.extend(started_children(&history));
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use temporalio_common::protos::temporal::api::{
        common::v1::{Payload, SearchAttributes, WorkflowExecution},
        history::v1::{
            ActivityTaskScheduledEventAttributes, ActivityTaskStartedEventAttributes,
            ChildWorkflowExecutionStartedEventAttributes, MarkerRecordedEventAttributes,
            StartChildWorkflowExecutionInitiatedEventAttributes, TimerStartedEventAttributes,
            UpsertWorkflowSearchAttributesEventAttributes, WorkflowExecutionStartedEventAttributes,
        },
    };

    use super::*;

    fn history(attributes: Vec<Attributes>) -> Vec<HistoryEvent> {
        attributes
            .into_iter()
            .map(|attributes| HistoryEvent {
                attributes: Some(attributes),
                ..HistoryEvent::default()
            })
            .collect()
    }

    fn marker(task: i64) -> Attributes {
        Attributes::MarkerRecordedEventAttributes(MarkerRecordedEventAttributes {
            workflow_task_completed_event_id: task,
            ..MarkerRecordedEventAttributes::default()
        })
    }

    fn upsert(names: &[&str]) -> Attributes {
        let fields = names
            .iter()
            .map(|name| ((*name).to_owned(), Payload::default()))
            .collect();
        Attributes::UpsertWorkflowSearchAttributesEventAttributes(
            UpsertWorkflowSearchAttributesEventAttributes {
                search_attributes: Some(SearchAttributes {
                    indexed_fields: fields,
                }),
                ..UpsertWorkflowSearchAttributesEventAttributes::default()
            },
        )
    }

    fn started(parent: Option<WorkflowExecution>) -> Attributes {
        Attributes::WorkflowExecutionStartedEventAttributes(
            WorkflowExecutionStartedEventAttributes {
                parent_workflow_execution: parent,
                ..WorkflowExecutionStartedEventAttributes::default()
            },
        )
    }

    #[test]
    fn markers_of_one_task_are_one_action() {
        let events = history(vec![marker(4), marker(4), marker(9), marker(4)]);
        assert_eq!(count_billable_actions(&events), 2);
    }

    #[test]
    fn retried_activity_costs_each_attempt() {
        let events = history(vec![
            Attributes::ActivityTaskScheduledEventAttributes(
                ActivityTaskScheduledEventAttributes::default(),
            ),
            Attributes::ActivityTaskStartedEventAttributes(ActivityTaskStartedEventAttributes {
                attempt: 3,
                ..ActivityTaskStartedEventAttributes::default()
            }),
        ]);
        assert_eq!(count_billable_actions(&events), 3);
    }

    #[test]
    fn parent_pays_for_its_child() {
        let parent = history(vec![
            started(None),
            Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(
                StartChildWorkflowExecutionInitiatedEventAttributes::default(),
            ),
            Attributes::ChildWorkflowExecutionStartedEventAttributes(
                ChildWorkflowExecutionStartedEventAttributes {
                    workflow_execution: Some(WorkflowExecution {
                        workflow_id: "shipping-1".to_owned(),
                        run_id: String::new(),
                    }),
                    ..ChildWorkflowExecutionStartedEventAttributes::default()
                },
            ),
            Attributes::TimerStartedEventAttributes(TimerStartedEventAttributes::default()),
        ]);
        assert_eq!(count_billable_actions(&parent), 4);
        assert_eq!(started_children(&parent), ["shipping-1"]);
        let child = history(vec![started(Some(WorkflowExecution::default()))]);
        assert_eq!(count_billable_actions(&child), 0);
    }

    #[test]
    fn versioning_attribute_is_free() {
        let events = history(vec![
            upsert(&["TemporalChangeVersion"]),
            upsert(&["OrderStatus", "TemporalChangeVersion"]),
        ]);
        assert_eq!(count_billable_actions(&events), 1);
    }
}
