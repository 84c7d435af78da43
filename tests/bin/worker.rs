//! The program `worker`, for the tests.

use std::process::ExitCode;

fn main() -> ExitCode {
    worker::main()
}
