//! The settings of mail. A value that contains a password is never shown.

use std::time::Duration;

use lettre::{
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use url::{Host, Url};

use settings::{
    Environment, MAIL, MAIL_DELAY, MAIL_FROM, MAIL_REPLY_TO, SMTP_CA_FILE, SMTP_PASSWORD, SMTP_URL,
    SMTP_USERNAME, Setting, SettingError, is_loopback_host,
};

/// The handling of the outbox.
#[derive(Debug, Clone)]
pub enum MailSettings {
    /// No server is set. Mails stay pending for a worker that has one.
    NotSet,
    /// Mails are recorded as skipped.
    Off,
    Smtp(Box<Smtp>),
}

/// Mail server, credentials and sender.
#[derive(Clone)]
pub struct Smtp {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
    pub(super) from: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
    /// The age at which an audit event is final and may be mailed.
    pub(super) delay: Duration,
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp")
            .field("host", &self.host)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Encryption of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    None,
    Opportunistic,
    StartTls,
    Tls,
}

impl Encryption {
    fn of(url: &Url) -> Option<Self> {
        let wanted: Vec<_> = url.query_pairs().collect();
        let wanted: Vec<_> = wanted
            .iter()
            .map(|(key, value)| (key.as_ref(), value.as_ref()))
            .collect();
        match (url.scheme(), wanted.as_slice()) {
            ("smtps", []) => Some(Self::Tls),
            ("smtp", []) => Some(Self::None),
            ("smtp", [("tls", "required")]) => Some(Self::StartTls),
            ("smtp", [("tls", "opportunistic")]) => Some(Self::Opportunistic),
            _ => None,
        }
    }

    fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::Opportunistic | Self::StartTls => 587,
            Self::Tls => 465,
        }
    }

    fn parameters(self, host: &str, authority: Option<Certificate>) -> Result<Tls, SettingError> {
        let parameters = || {
            let mut builder = TlsParameters::builder(host.to_owned());
            if let Some(authority) = authority {
                builder = builder.add_root_certificate(authority);
            }
            builder
                .build()
                .map_err(|_| SMTP_URL.reject_hidden("TLS cannot be set up for this host"))
        };
        Ok(match self {
            Self::None => Tls::None,
            Self::Opportunistic => Tls::Opportunistic(parameters()?),
            Self::StartTls => Tls::Required(parameters()?),
            Self::Tls => Tls::Wrapper(parameters()?),
        })
    }
}

impl MailSettings {
    /// Reads the settings. Without `MAIL`, mail is on if `SMTP_URL` is set. Only `MAIL=off` discards
    /// mails, because a worker whose settings are incomplete can share a database with others.
    pub(crate) fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        let url = environment.get(&SMTP_URL);
        match (environment.get(&MAIL), url) {
            (Some("off"), _) => Ok(Self::Off),
            (None, None) => Ok(Self::NotSet),
            (Some("smtp") | None, Some(url)) => {
                Ok(Self::Smtp(Box::new(Smtp::from_settings(url, environment)?)))
            }
            (Some("smtp"), None) => Err(SMTP_URL.missing("not set, but MAIL=smtp requires it")),
            (Some(other), _) => Err(MAIL.reject(other, "unknown value")),
        }
    }
}

impl Smtp {
    fn from_settings(url: &str, environment: &Environment) -> Result<Self, SettingError> {
        let url = Url::parse(url).map_err(|_| SMTP_URL.reject_hidden("not a URL"))?;
        let host = url
            .host()
            .ok_or_else(|| SMTP_URL.reject_hidden("without a host"))?;
        let encryption = Encryption::of(&url)
            .ok_or_else(|| SMTP_URL.reject_hidden("unknown scheme or value of tls"))?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(SMTP_URL.reject_hidden("unexpected text after the port"));
        }
        let credentials = credentials(&url, environment)?;
        let is_exposed = matches!(encryption, Encryption::None | Encryption::Opportunistic)
            && !url.host_str().is_some_and(is_loopback_host);
        if is_exposed && credentials.is_some() {
            return Err(SMTP_URL.reject_hidden(
                "the password would not be encrypted; use smtps:// or ?tls=required",
            ));
        }
        let from = mailbox(environment, &MAIL_FROM)?
            .ok_or_else(|| MAIL_FROM.missing("not set, but mail requires a sender"))?;
        let name = host_name(&host);
        Ok(Self {
            port: url.port().unwrap_or_else(|| encryption.port()),
            tls: encryption.parameters(&name, trusted_certificate(environment)?)?,
            host: name,
            credentials,
            from,
            reply_to: mailbox(environment, &MAIL_REPLY_TO)?,
            delay: environment.duration(&MAIL_DELAY)?,
        })
    }
}

fn mailbox(environment: &Environment, setting: &Setting) -> Result<Option<Mailbox>, SettingError> {
    environment
        .get(setting)
        .map(|text| {
            text.parse()
                .map_err(|_| setting.reject(text, "not an e-mail address"))
        })
        .transpose()
}

/// Returns user name and password. The variables win over the URL.
fn credentials(url: &Url, environment: &Environment) -> Result<Option<Credentials>, SettingError> {
    let value = |setting, part: &str| match environment.get(setting) {
        Some(value) => Ok(Some(value.to_owned())),
        None => (!part.is_empty()).then(|| decode(part)).transpose(),
    };
    let user = value(&SMTP_USERNAME, url.username())?;
    let password = value(&SMTP_PASSWORD, url.password().unwrap_or_default())?;
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some(Credentials::new(user, password))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(SMTP_PASSWORD
            .missing("not set, but the user name requires a password, here or in SMTP_URL")),
        (None, Some(_)) => Err(SMTP_USERNAME
            .missing("not set, but the password requires a user name, here or in SMTP_URL")),
    }
}

/// Decodes the percent-encoding of a part of `SMTP_URL`.
fn decode(part: &str) -> Result<String, SettingError> {
    percent_encoding::percent_decode_str(part)
        .decode_utf8()
        .map(|text| text.into_owned())
        .map_err(|_| SMTP_URL.reject_hidden("the user name or the password is not UTF-8"))
}

/// Returns the certificate that is trusted in addition to those of the system.
fn trusted_certificate(environment: &Environment) -> Result<Option<Certificate>, SettingError> {
    let Some(path) = environment.get(&SMTP_CA_FILE) else {
        return Ok(None);
    };
    let pem = std::fs::read(path)
        .map_err(|error| SMTP_CA_FILE.reject(path, format!("the file cannot be read: {error}")))?;
    Certificate::from_pem(&pem)
        .map(Some)
        .map_err(|_| SMTP_CA_FILE.reject(path, "the file has no certificate in PEM format"))
}

fn host_name(host: &Host<&str>) -> String {
    match host {
        Host::Domain(name) => (*name).to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<MailSettings, SettingError> {
        MailSettings::from_settings(&Environment::from_pairs(variables.iter().copied()))
    }

    fn smtp(variables: &[(&str, &str)]) -> Smtp {
        match read(&[variables, &[("MAIL_FROM", "Shop <orders@example.com>")]].concat()).unwrap() {
            MailSettings::Smtp(smtp) => *smtp,
            MailSettings::NotSet | MailSettings::Off => panic!("mail is not on"),
        }
    }

    #[test]
    fn mail_is_on_with_a_server() {
        let url = ("SMTP_URL", "smtp://127.0.0.1:1025");
        assert!(matches!(read(&[]), Ok(MailSettings::NotSet)));
        for off in [&[("MAIL", "off")][..], &[("MAIL", "off"), url]] {
            assert!(matches!(read(off), Ok(MailSettings::Off)));
        }
        let on = smtp(&[url]);
        assert_eq!(
            (on.host.as_str(), on.port, on.delay),
            ("127.0.0.1", 1025, Duration::from_secs(15))
        );
        assert!(matches!(on.tls, Tls::None) && on.credentials.is_none());
    }

    #[test]
    fn url_selects_the_encryption() {
        let tls = smtp(&[("SMTP_URL", "smtps://user:p%40ss@mail.example.com")]);
        assert!(matches!(tls.tls, Tls::Wrapper(_)));
        assert_eq!(
            (tls.port, tls.credentials),
            (465, Some(Credentials::new("user".into(), "p@ss".into())))
        );
        let starttls = smtp(&[
            ("SMTP_URL", "smtp://mail.example.com?tls=required"),
            ("SMTP_USERNAME", "user"),
            ("SMTP_PASSWORD", "p@ss"),
        ]);
        assert!(matches!(starttls.tls, Tls::Required(_)));
        assert_eq!(
            (starttls.port, starttls.credentials),
            (587, Some(Credentials::new("user".into(), "p@ss".into())))
        );
    }

    #[test]
    fn bad_setting_is_named_without_a_password() {
        let from = ("MAIL_FROM", "orders@example.com");
        for (variables, name) in [
            (vec![("MAIL", "yes")], "MAIL="),
            (vec![("MAIL", "smtp")], "SMTP_URL:"),
            (
                vec![("SMTP_URL", "smtp://a:secret@127.0.0.1:x"), from],
                "SMTP_URL=",
            ),
            (
                vec![("SMTP_URL", "http://a:secret@127.0.0.1"), from],
                "SMTP_URL=",
            ),
            (
                vec![("SMTP_URL", "smtp://a:secret@127.0.0.1?tls=yes"), from],
                "SMTP_URL=",
            ),
            (
                vec![("SMTP_URL", "smtp://a:secret@mail.example.com"), from],
                "SMTP_URL=",
            ),
            (
                vec![
                    (
                        "SMTP_URL",
                        "smtp://a:secret@mail.example.com?tls=opportunistic",
                    ),
                    from,
                ],
                "SMTP_URL=",
            ),
            (
                vec![("SMTP_URL", "smtp://secret@127.0.0.1"), from],
                "SMTP_PASSWORD:",
            ),
            (
                vec![
                    ("SMTP_URL", "smtp://127.0.0.1"),
                    ("SMTP_PASSWORD", "secret"),
                    from,
                ],
                "SMTP_USERNAME:",
            ),
            (
                vec![
                    ("SMTP_URL", "smtp://127.0.0.1"),
                    ("SMTP_CA_FILE", "/nowhere.pem"),
                    from,
                ],
                "SMTP_CA_FILE=",
            ),
            (vec![("SMTP_URL", "smtp://127.0.0.1")], "MAIL_FROM:"),
            (
                vec![("SMTP_URL", "smtp://127.0.0.1"), ("MAIL_FROM", "nobody")],
                "MAIL_FROM=",
            ),
            (
                vec![
                    ("SMTP_URL", "smtp://127.0.0.1"),
                    from,
                    ("MAIL_REPLY_TO", "a\nb@c"),
                ],
                "MAIL_REPLY_TO=",
            ),
            (
                vec![
                    ("SMTP_URL", "smtp://127.0.0.1"),
                    from,
                    ("MAIL_DELAY", "soon"),
                ],
                "MAIL_DELAY=",
            ),
        ] {
            let error = read(&variables).unwrap_err().to_string();
            assert!(
                error.starts_with(name) && !error.contains("secret"),
                "{variables:?}: {error}"
            );
        }
        let shown = format!(
            "{:?}",
            smtp(&[("SMTP_URL", "smtps://user:secret@mail.example.com")])
        );
        assert!(!shown.contains("secret"), "{shown}");
    }
}
