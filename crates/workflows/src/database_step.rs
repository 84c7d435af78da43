//! A step that uses only our database: first a local activity, later a regular one.
//!
//! Each retry of a local activity adds events to the history, which is limited. Retries of a regular
//! activity add none. So a database that is unavailable for weeks does not end a workflow.

use temporalio_common::ActivityDefinition;
use temporalio_workflow::{ActivityExecutionError, LocalActivityOptions, WorkflowContext};

use crate::{activity::missing_events, policies};

/// An activity's definition by reference, because definitions cannot be copied.
pub(crate) struct Definition<'a, A>(pub(crate) &'a A);

impl<A: ActivityDefinition> ActivityDefinition for Definition<'_, A> {
    type Input = A::Input;
    type Output = A::Output;

    fn name(&self) -> &str {
        self.0.name()
    }
}

/// Runs the activity. `input` returns its input, at most twice.
///
/// The future is boxed. Otherwise each workflow in memory has room for it, also while it only waits.
pub(crate) fn run<W, A>(
    ctx: &WorkflowContext<W>,
    activity: &A,
    input: impl Fn() -> A::Input,
    options: LocalActivityOptions,
) -> impl Future<Output = Result<A::Output, ActivityExecutionError>>
where
    W: 'static,
    A: ActivityDefinition,
{
    Box::pin(async move {
        let limit = options.start_to_close_timeout;
        match ctx
            .execute_local_activity(Definition(activity), input(), options)
            .await
        {
            Ok(output) => Ok(output),
            // The database has answered. The caller sends the missing events first.
            Err(error) if missing_events(&error).is_some() => Err(error),
            Err(_) => {
                let options = policies::database_options(limit);
                ctx.execute_activity(Definition(activity), input(), options)
                    .await
            }
        }
    })
}
