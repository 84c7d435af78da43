//! The binary `orderflow`; the code is in the library of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
