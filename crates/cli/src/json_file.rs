//! JSON objects that a command reads from a file or from standard input.

use std::{io::Read, path::Path};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Map, Value};

/// Reads a JSON object from a file, or from standard input if the path is `-`. `content` is a noun for
/// it, and `page` names the page with an example.
pub(crate) fn read_object(path: &Path, content: &str, page: &str) -> Result<Map<String, Value>> {
    let mut text = String::new();
    if path == Path::new("-") {
        std::io::stdin()
            .read_to_string(&mut text)
            .with_context(|| format!("failed to read {content} from standard input"))?;
    } else {
        text = std::fs::read_to_string(path).map_err(|error| {
            anyhow!(
                "failed to read {}: {error}; name a JSON file with {content}, or - for standard input",
                path.display()
            )
        })?;
    }
    let value = serde_json::from_str(&text)
        .map_err(|error| anyhow!("{}: not JSON: {error}; see {page}", path.display()))?;
    match value {
        Value::Object(fields) => Ok(fields),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            bail!("{}: not a JSON object; see {page}", path.display())
        }
    }
}
