//! The worker program; [`worker::main`] is what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::main()
}
