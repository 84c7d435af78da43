//! The program `orderflow`, for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
