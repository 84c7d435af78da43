//! The commands that run orders and check how they end. They use HTTP only, so they work with any
//! deployment; only `bench` starts its own servers and measures them.

mod arguments;
mod bench;
mod change_scenarios;
mod chaos;
mod demo;
mod load;
mod percentiles;
mod sample_order;
mod scenarios;
mod shop_scenarios;
mod test_run;
mod test_workflow;

use anyhow::Result;
pub(crate) use arguments::AcceptanceCommand;
use std::process::ExitCode;

pub(crate) async fn run(command: AcceptanceCommand) -> Result<ExitCode> {
    match command {
        AcceptanceCommand::Demo(arguments) => {
            demo::run_demo(arguments).await.map(|()| ExitCode::SUCCESS)
        }
        AcceptanceCommand::TestWorkflow(arguments) => test_workflow::run_scenarios(arguments).await,
        AcceptanceCommand::Load(arguments) => load::run_load(arguments).await,
        AcceptanceCommand::Chaos(arguments) => chaos::run_chaos(arguments).await,
        AcceptanceCommand::Bench(arguments) => bench::run_bench(arguments).await,
    }
}
