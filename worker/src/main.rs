//! The worker program; see [`worker::main`].

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::main()
}
