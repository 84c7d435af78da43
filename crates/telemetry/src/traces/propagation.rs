//! The trace context of a request in a program that exports no spans.
//!
//! The caller's context is passed on unchanged, so that the next program's spans are children of the
//! caller's span. Without a caller's context, the request begins a trace.

use super::{TraceContext, sampling::Sampling};

tokio::task_local! {
    static CONTEXT: Option<TraceContext>;
}

/// Returns the context of the request that this task serves.
pub(super) fn current() -> Option<TraceContext> {
    CONTEXT.try_with(Clone::clone).ok().flatten()
}

/// Returns the context of a request.
pub(super) fn request_context(sampling: Sampling, caller: Option<TraceContext>) -> TraceContext {
    let followed = caller.as_ref().map(TraceContext::is_sampled);
    let context = caller.unwrap_or_else(TraceContext::random);
    TraceContext {
        flags: u8::from(sampling.decide(context.trace_id, followed)),
        ..context
    }
}

/// Serves a request with its context, if it has one.
pub(super) async fn scope<F: Future>(context: Option<TraceContext>, serve: F) -> F::Output {
    CONTEXT.scope(context, serve).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn callers_context_is_passed_on_unchanged() {
        let caller = request_context(Sampling::default(), None);
        assert!(caller.is_sampled());
        let context = request_context(Sampling::default(), Some(caller.clone()));
        let seen = scope(Some(context), async { current() }).await;
        assert_eq!(seen, Some(caller));
        assert_eq!(current(), None);
    }
}
