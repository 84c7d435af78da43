//! Settings of an API of another program: its address and its key.

use std::fs;

use url::Url;

use crate::{Environment, Setting, SettingError, is_loopback_host};

/// Returns the address of an API. It is encrypted, or of this machine.
///
/// # Errors
///
/// The value is not such an address, or has a path although `has_path` is false. The error hides the
/// value, because a key may have been set here by mistake.
pub fn parse_api_address(
    environment: &Environment,
    setting: &'static Setting,
    has_path: bool,
) -> Result<Url, SettingError> {
    let url = Url::parse(environment.get_or_default(setting))
        .map_err(|_| setting.reject_hidden("not a URL"))?;
    let is_local = url.host_str().is_some_and(is_loopback_host);
    let is_encrypted = url.scheme() == "https" || (url.scheme() == "http" && is_local);
    let is_bare = url.query().is_none() && url.fragment().is_none();
    let is_anonymous = url.username().is_empty() && url.password().is_none();
    if is_encrypted && is_bare && is_anonymous && (has_path || url.path() == "/") {
        Ok(url)
    } else {
        Err(setting.reject_hidden("not the address of an API, or not encrypted"))
    }
}

/// Returns a secret with the setting that it comes from, or `None`.
///
/// # Errors
///
/// Both settings have a value, or the file cannot be read.
pub fn read_secret(
    environment: &Environment,
    setting: &'static Setting,
    file: &'static Setting,
) -> Result<Option<(&'static Setting, String)>, SettingError> {
    let (setting, secret) = match (environment.get(setting), environment.get(file)) {
        (Some(_), Some(path)) => {
            let problem = format!("{} is set too; set only one of them", setting.name());
            return Err(file.reject(path, problem));
        }
        (Some(secret), None) => (setting, secret.to_owned()),
        (None, Some(path)) => match fs::read_to_string(path) {
            Ok(text) => (file, text),
            Err(error) => {
                let problem = format!("the file cannot be read: {error}");
                return Err(file.reject(path, problem));
            }
        },
        (None, None) => return Ok(None),
    };
    Ok(Some((setting, secret.trim().to_owned())))
}
