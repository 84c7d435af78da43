//! The search attributes of the namespace: which exist, and their registration.
//!
//! Temporal Cloud and some servers do not let the programs use the operator's service. Then a query
//! that uses an attribute shows if it exists, and an operator registers the missing ones.

use std::time::Duration;

use temporalio_client::{
    Client,
    tonic::{IntoRequest, Status},
};
use temporalio_common::protos::temporal::api::{
    enums::v1::IndexedValueType,
    operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest},
    workflowservice::v1::CountWorkflowExecutionsRequest,
};
use tokio::time::{Instant, sleep};

use crate::{
    Error, OrderClient,
    client::SERVER_TIMEOUT,
    grpc_error::{CallError, is_not_permitted, is_unknown_search_attribute},
};
use domain::{SEARCH_ATTRIBUTES, SearchAttributeType};

/// The pause between two queries for new search attributes.
const ATTRIBUTE_INTERVAL: Duration = Duration::from_millis(500);

/// The result of [`OrderClient::register_search_attributes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttributeRegistration {
    /// All search attributes exist. The named ones are new.
    Complete(Vec<&'static str>),
    /// The server refuses to register the named ones, which are missing.
    Refused(Vec<&'static str>),
    /// The server shows in no way if the search attributes exist.
    Unverified,
}

impl OrderClient {
    /// Returns the names of the search attributes that orders need and the namespace lacks; `None` if
    /// the server refuses to show them.
    ///
    /// # Errors
    ///
    /// When Temporal is unavailable.
    pub async fn read_missing_search_attributes(&self) -> Result<Option<Vec<&'static str>>, Error> {
        let call = |client: Client| {
            let namespace = self.connection.settings().namespace().to_owned();
            async move {
                let mut service = client.connection().operator_service();
                service
                    .list_search_attributes(
                        ListSearchAttributesRequest { namespace }.into_request(),
                    )
                    .await
            }
        };
        let registered = match self.connection.call(SERVER_TIMEOUT, call).await {
            Ok(listed) => listed.into_inner().custom_attributes,
            Err(CallError::Sdk(status)) if is_not_permitted(&status) => {
                return self.query_missing_search_attributes().await;
            }
            Err(failure) => return Err(failure.into_error()),
        };
        Ok(Some(
            SEARCH_ATTRIBUTES
                .into_iter()
                .map(|(name, _)| name)
                .filter(|name| !registered.contains_key(*name))
                .collect(),
        ))
    }

    /// Uses each search attribute in a query, which the server rejects if it is missing.
    async fn query_missing_search_attributes(&self) -> Result<Option<Vec<&'static str>>, Error> {
        let mut missing = Vec::new();
        for (name, kind) in SEARCH_ATTRIBUTES {
            match self.count_orders(condition(name, kind)).await {
                Ok(()) => {}
                Err(CallError::Sdk(status)) if is_unknown_search_attribute(&status) => {
                    missing.push(name);
                }
                Err(CallError::Sdk(status)) if is_not_permitted(&status) => return Ok(None),
                Err(failure) => return Err(failure.into_error()),
            }
        }
        Ok(Some(missing))
    }

    /// Registers the missing search attributes, if the server permits it. It needs no permission while
    /// all of them exist.
    ///
    /// # Errors
    ///
    /// When Temporal is unavailable or cannot register them.
    pub async fn register_search_attributes(&self) -> Result<AttributeRegistration, Error> {
        let Some(missing) = self.read_missing_search_attributes().await? else {
            return Ok(AttributeRegistration::Unverified);
        };
        if missing.is_empty() {
            return Ok(AttributeRegistration::Complete(missing));
        }
        let search_attributes = SEARCH_ATTRIBUTES
            .into_iter()
            .filter(|(name, _)| missing.contains(name))
            .map(|(name, kind)| (name.to_owned(), indexed_value_type(kind).into()))
            .collect();
        let request = AddSearchAttributesRequest {
            search_attributes,
            namespace: self.connection.settings().namespace().to_owned(),
        };
        let call = |client: Client| {
            let request = request.clone();
            async move {
                client
                    .connection()
                    .operator_service()
                    .add_search_attributes(request.into_request())
                    .await
            }
        };
        match self.connection.call(SERVER_TIMEOUT, call).await {
            Ok(_) => Ok(AttributeRegistration::Complete(missing)),
            Err(CallError::Sdk(status)) if is_not_permitted(&status) => {
                Ok(AttributeRegistration::Refused(missing))
            }
            // Another program may have registered them concurrently.
            Err(failure) => match self.read_missing_search_attributes().await? {
                Some(missing) if missing.is_empty() => Ok(AttributeRegistration::Complete(missing)),
                Some(_) | None => Err(failure.into_error()),
            },
        }
    }

    /// Waits until the server accepts a query for the search attributes. A server uses new ones up to
    /// a minute after their registration, and refuses to start an order before.
    ///
    /// # Errors
    ///
    /// Returns the server's last error after `limit`.
    pub async fn wait_for_search_attributes(&self, limit: Duration) -> Result<(), Error> {
        let query = SEARCH_ATTRIBUTES
            .map(|(name, kind)| condition(name, kind))
            .join(" and ");
        let end = Instant::now() + limit;
        loop {
            match self.count_orders(query.clone()).await {
                Ok(()) => return Ok(()),
                Err(failure) if Instant::now() + ATTRIBUTE_INTERVAL > end => {
                    return Err(failure.into_error());
                }
                Err(_) => sleep(ATTRIBUTE_INTERVAL).await,
            }
        }
    }

    async fn count_orders(&self, query: String) -> Result<(), CallError<Status>> {
        let request = CountWorkflowExecutionsRequest {
            namespace: self.connection.settings().namespace().to_owned(),
            query,
        };
        let call = |client: Client| {
            let request = request.clone();
            async move {
                client
                    .connection()
                    .workflow_service()
                    .count_workflow_executions(request.into_request())
                    .await
            }
        };
        self.connection.call(SERVER_TIMEOUT, call).await.map(drop)
    }
}

/// Returns a condition of a query that no order satisfies.
fn condition(name: &str, kind: SearchAttributeType) -> String {
    match kind {
        SearchAttributeType::Keyword => format!("{name} = 'none'"),
        SearchAttributeType::Int => format!("{name} = 0"),
    }
}

fn indexed_value_type(kind: SearchAttributeType) -> IndexedValueType {
    match kind {
        SearchAttributeType::Keyword => IndexedValueType::Keyword,
        SearchAttributeType::Int => IndexedValueType::Int,
    }
}
