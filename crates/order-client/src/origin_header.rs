//! The origin of a request in a header of Temporal. A call outside of [`with_origin`] has none.

use std::collections::HashMap;

use futures::future::BoxFuture;
use temporalio_client::{
    ClientInterceptor, Next, StartWorkflowUpdateInput, StartWorkflowUpdateOutput,
    errors::WorkflowUpdateError,
};
use temporalio_common::protos::temporal::api::common::v1::Payload;

use contract::{ORIGIN_HEADER, RequestOrigin};

tokio::task_local! {
    static ORIGIN: RequestOrigin;
}

/// Runs calls that send this origin.
pub async fn with_origin<F: Future>(origin: RequestOrigin, calls: F) -> F::Output {
    ORIGIN.scope(origin, calls).await
}

/// Returns the origin of [`with_origin`]; `None` outside of it.
pub(crate) fn current_origin() -> Option<RequestOrigin> {
    ORIGIN.try_with(Clone::clone).ok()
}

/// Adds the origin to each request to an order.
#[derive(Debug)]
pub(crate) struct SendOrigin;

impl ClientInterceptor for SendOrigin {
    fn start_workflow_update<'a>(
        &'a self,
        mut input: StartWorkflowUpdateInput,
        next: Next<
            'a,
            StartWorkflowUpdateInput,
            BoxFuture<'a, Result<StartWorkflowUpdateOutput, WorkflowUpdateError>>,
        >,
    ) -> BoxFuture<'a, Result<StartWorkflowUpdateOutput, WorkflowUpdateError>> {
        if let Ok(data) = ORIGIN.try_with(|origin| serde_json::to_vec(origin).unwrap_or_default()) {
            let encoding = ("encoding".to_owned(), b"json/plain".to_vec());
            let payload = Payload {
                metadata: HashMap::from([encoding]),
                data,
                ..Payload::default()
            };
            let fields = &mut input.options.header.get_or_insert_default().fields;
            fields.insert(ORIGIN_HEADER.to_owned(), payload);
        }
        next.run(input)
    }
}
