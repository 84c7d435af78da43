//! `api-key create`: a new API key and the line for `API_KEYS` that accepts it.

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use serde_json::json;

use crate::{
    output::{OutputArguments, print, print_json},
    value_parsers,
};
use domain::{CustomerId, parse_time};
use orderflow_http::{Scope, create_api_key};

#[derive(Debug, Subcommand)]
pub(crate) enum ApiKeyCommand {
    /// Create an API key; it is printed once, and the API stores only its hash.
    #[command(after_help = "Examples:
  orderflow api-key create --name shop --scopes orders:read,orders:write
  orderflow api-key create --name ann --scopes orders:read --customer CUST-001 --expires 2027-01-01T00:00:00Z")]
    Create(Create),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Name of the key in settings and logs.
    #[arg(long, value_parser = value_parsers::key_name)]
    name: String,
    /// Scopes of the key, separated by commas.
    #[arg(long, required = true, value_delimiter = ',', value_name = "SCOPES", value_parser = value_parsers::scope())]
    scopes: Vec<Scope>,
    /// Customer whose orders the key can access [default: all orders].
    #[arg(long, value_name = "ID", value_parser = value_parsers::customer_id)]
    customer: Option<CustomerId>,
    /// Expiry time, such as 2027-01-01T00:00:00Z [default: none].
    #[arg(long, value_name = "TIME", value_parser = value_parsers::time)]
    expires: Option<String>,
    #[command(flatten)]
    output: OutputArguments,
}

pub(crate) fn run(command: ApiKeyCommand) -> Result<()> {
    let ApiKeyCommand::Create(Create {
        name,
        scopes,
        customer,
        expires,
        output,
    }) = command;
    let expires = expires.as_deref().and_then(parse_time);
    let customer = customer.as_ref().map(CustomerId::as_str);
    let made = create_api_key(&name, &scopes, customer, expires)
        .map_err(|error| anyhow!("API key: {error}"))?;
    if output.json {
        return print_json(&json!({"key": made.key, "line": made.line}));
    }
    print(&format!(
        "API key, printed only now; send it in the header X-Api-Key:\n\n    {}\n",
        made.key
    ))?;
    print(&format!(
        "Line for API_KEYS or API_KEYS_FILE, with API_AUTH=api-key:\n\n    {}",
        made.line
    ))
}
