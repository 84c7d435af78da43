//! Settings that functions read once, at their start.

use domain::SettingError;

/// A variable of the environment; blank counts as absent.
pub fn read_setting(name: &str) -> Option<String> {
    std::env::var(name)
        .ok()
        .map(|value| value.trim().to_owned())
        .filter(|value| !value.is_empty())
}

/// Whether a switch is `on`; it is `off` when nobody set it.
pub fn read_switch(
    name: &str,
    setting: impl Fn(&str) -> Option<String>,
) -> Result<bool, SettingError> {
    match setting(name).as_deref() {
        None | Some("off") => Ok(false),
        Some("on") => Ok(true),
        Some(other) => Err(setting_error(name, other, "must be on or off")),
    }
}

pub fn setting_error(name: &str, value: &str, allowed: &str) -> SettingError {
    SettingError {
        name: name.to_owned(),
        value: value.to_owned(),
        allowed: allowed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_switch_is_on_or_off() {
        let read = |value: Option<&str>| {
            read_switch("S", |_| value.map(str::to_owned)).map_err(|error| error.to_string())
        };
        assert_eq!(
            (read(None), read(Some("on")), read(Some("off"))),
            (Ok(false), Ok(true), Ok(false))
        );
        assert_eq!(
            read(Some("yes")),
            Err("S=yes is not allowed: must be on or off".to_owned())
        );
    }
}
