//! The confirmation of a command that deletes data.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Result, bail};

/// Asks `question` on the terminal. Without a terminal, the message has `effect` and the option.
///
/// # Errors
///
/// When there is no terminal, or the person does not confirm.
pub(crate) fn require_confirmation(command: &str, effect: &str, question: &str) -> Result<()> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        bail!("{command}: {effect}; confirm with --yes");
    }
    eprint!("{question} [y/N] ");
    std::io::stderr().flush()?;
    let mut answer = String::new();
    input.lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    bail!("{command}: not confirmed; nothing was deleted")
}
