//! The commands that take orders through everything and look whether they end as they should: through HTTP
//! alone, so against any deployment.

mod arguments;
mod demo;
mod load;
mod percentiles;
mod scenarios;
mod test_workflow;

use anyhow::Result;
pub(crate) use arguments::AcceptanceCommand;
use std::process::ExitCode;

use serde_json::{Value, json};

pub(crate) async fn run(command: AcceptanceCommand) -> Result<ExitCode> {
    match command {
        AcceptanceCommand::Demo(arguments) => {
            demo::run_demo(arguments).await.map(|()| ExitCode::SUCCESS)
        }
        AcceptanceCommand::TestWorkflow(arguments) => test_workflow::run_scenarios(arguments).await,
        AcceptanceCommand::Load(arguments) => load::run_load(arguments).await,
    }
}

/// A small order of a customer of its own, for one laptop.
fn order(customer_id: &str) -> Value {
    json!({
        "customer": {"id": customer_id, "name": "John Doe", "email": "john@example.com"},
        "items": [{"sku": "ABC123", "name": "Laptop", "quantity": 1, "unit_price": "99.99"}],
        "shipping_address": {"street": "123 Main St", "city": "Anytown", "state": "CA", "postal_code": "94102", "country": "US"},
    })
}
