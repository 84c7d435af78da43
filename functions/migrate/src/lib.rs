//! The function `migrate`: a custom resource of CloudFormation that prepares the database and Temporal
//! for a release.
//!
//! It does what `orderflow migrate --iam-users` does, as the owner of the database. Every request gets
//! a response, because CloudFormation waits for it: also after a panic, and before Lambda's time limit
//! ends the function. A rollback and a deletion use neither the database nor Temporal. Start reading
//! at [`Handler`].

mod answer;
mod failure;
mod handler;
mod owner;
mod release;
mod request;
mod retry;
mod run;

pub use answer::AnswerSender;
pub use failure::Failure;
pub use handler::{Handler, Invocation, Work};
pub use owner::OwnerPassword;
pub use release::Release;
pub use request::{Action, Request};
pub use run::run;
