//! The settings of mail, from the environment. What carries a password is never shown.

use std::{net::IpAddr, time::Duration};

use lettre::{
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use url::{Host, Url};

use domain::{SettingError, Span};

/// What becomes of the outbox.
#[derive(Debug, Clone)]
pub enum MailSettings {
    /// What is there is recorded as skipped.
    Off,
    Smtp(Box<Smtp>),
}

/// Where mails go, and from whom they are.
#[derive(Clone)]
pub struct Smtp {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) credentials: Option<Credentials>,
    pub(super) from: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
    /// How long an entry must have stood before it is mailed.
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

const URL: &str = "must be smtps://USER:PASSWORD@HOST:PORT, the same with smtp:// and ?tls=required (STARTTLS) or \
                   ?tls=opportunistic at its end, or smtp://HOST:PORT (no TLS); special characters as %40";
const MAILBOX: &str = "must be an address such as orders@example.com or Shop <orders@example.com>";
/// A lost workflow task is done again within about twelve seconds.
const SETTLE: Span = Span::from_secs(15);

/// How the connection is encrypted.
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
                .map_err(|_| refused("SMTP_URL", "…", "TLS can't be set up for this host"))
        };
        Ok(match self {
            Self::None => Tls::None,
            Self::Opportunistic => Tls::Opportunistic(parameters()?),
            Self::StartTls => Tls::Required(parameters()?),
            Self::Tls => Tls::Wrapper(parameters()?),
        })
    }
}

fn refused(name: &str, value: &str, allowed: &str) -> SettingError {
    SettingError {
        name: name.to_owned(),
        value: value.to_owned(),
        allowed: allowed.to_owned(),
    }
}

impl MailSettings {
    /// Mail is on where it was said where to send it, unless `MAIL` says otherwise.
    pub(crate) fn from_settings(
        get: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingError> {
        let url = get("SMTP_URL");
        match (get("MAIL").as_deref(), url) {
            (Some("off"), _) | (None, None) => Ok(Self::Off),
            (Some("smtp") | None, Some(url)) => Ok(Self::Smtp(Box::new(Smtp::read(&url, get)?))),
            (Some("smtp"), None) => Err(refused(
                "SMTP_URL",
                "",
                &format!("MAIL=smtp needs it; it {URL}"),
            )),
            (Some(other), _) => Err(refused("MAIL", other, "must be smtp or off")),
        }
    }
}

impl Smtp {
    fn read(url: &str, get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingError> {
        // It carries a password, so it is not shown.
        let bad_url = || refused("SMTP_URL", "…", URL);
        let url = Url::parse(url).map_err(|_| bad_url())?;
        let host = url.host().ok_or_else(bad_url)?;
        let encryption = Encryption::of(&url).ok_or_else(bad_url)?;
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err(bad_url());
        }
        let credentials = credentials(&url, &get)?;
        let exposed =
            matches!(encryption, Encryption::None | Encryption::Opportunistic) && !is_local(&host);
        if exposed && credentials.is_some() {
            let allowed = "a password must not travel unencrypted: use smtps:// or ?tls=required";
            return Err(refused("SMTP_URL", "…", allowed));
        }
        let mailbox = |name: &str| match get(name) {
            Some(text) => text
                .parse::<Mailbox>()
                .map(Some)
                .map_err(|_| refused(name, &text, MAILBOX)),
            None => Ok(None),
        };
        let from = mailbox("MAIL_FROM")?;
        let settle = match get("MAIL_DELAY") {
            Some(text) => text
                .parse::<Span>()
                .map_err(|error| refused("MAIL_DELAY", &text, &error.to_string()))?,
            None => SETTLE,
        };
        let name = host_name(&host);
        Ok(Self {
            port: url.port().unwrap_or_else(|| encryption.port()),
            tls: encryption.parameters(&name, authority(&get)?)?,
            host: name,
            credentials,
            from: from.ok_or_else(|| {
                refused(
                    "MAIL_FROM",
                    "",
                    &format!("mail needs a sender; it {MAILBOX}"),
                )
            })?,
            reply_to: mailbox("MAIL_REPLY_TO")?,
            delay: settle.duration(),
        })
    }
}

/// Those of the URL, else of variables of their own: a secret's store gives them one by one.
fn credentials(
    url: &Url,
    get: &impl Fn(&str) -> Option<String>,
) -> Result<Option<Credentials>, SettingError> {
    let of_url = |part: &str| (!part.is_empty()).then(|| decoded(part)).transpose();
    let user =
        get("SMTP_USERNAME").map_or_else(|| of_url(url.username()), |user| Ok(Some(user)))?;
    let password = get("SMTP_PASSWORD").map_or_else(
        || of_url(url.password().unwrap_or_default()),
        |word| Ok(Some(word)),
    )?;
    match (user, password) {
        (Some(user), Some(password)) => Ok(Some(Credentials::new(user, password))),
        (None, None) => Ok(None),
        (Some(_), None) => Err(refused(
            "SMTP_PASSWORD",
            "",
            "a user name needs a password, here or in SMTP_URL",
        )),
        (None, Some(_)) => Err(refused(
            "SMTP_USERNAME",
            "",
            "a password needs a user name, here or in SMTP_URL",
        )),
    }
}

fn decoded(part: &str) -> Result<String, SettingError> {
    let decoded = percent_encoding::percent_decode_str(part).decode_utf8();
    decoded
        .map(|text| text.into_owned())
        .map_err(|_| refused("SMTP_URL", "…", URL))
}

/// Who signed the mail server's certificate, beside those that this machine trusts.
fn authority(get: &impl Fn(&str) -> Option<String>) -> Result<Option<Certificate>, SettingError> {
    let Some(path) = get("SMTP_CA_FILE") else {
        return Ok(None);
    };
    let certificate = std::fs::read(&path)
        .ok()
        .and_then(|pem| Certificate::from_pem(&pem).ok());
    certificate.map(Some).ok_or_else(|| {
        refused(
            "SMTP_CA_FILE",
            &path,
            "must be a file with a certificate in PEM",
        )
    })
}

fn host_name(host: &Host<&str>) -> String {
    match host {
        Host::Domain(name) => (*name).to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    }
}

fn is_local(host: &Host<&str>) -> bool {
    match host {
        // The URL of a scheme that browsers don't know keeps a number as it is written.
        Host::Domain(name) => {
            *name == "localhost"
                || name
                    .parse::<IpAddr>()
                    .is_ok_and(|address| address.is_loopback())
        }
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<MailSettings, SettingError> {
        MailSettings::from_settings(|name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    fn smtp(variables: &[(&str, &str)]) -> Smtp {
        match read(&[variables, &[("MAIL_FROM", "Shop <orders@example.com>")]].concat()).unwrap() {
            MailSettings::Smtp(smtp) => *smtp,
            MailSettings::Off => panic!("mail is off"),
        }
    }

    #[test]
    fn mail_is_on_where_it_was_said_where_to_send_it() {
        let url = ("SMTP_URL", "smtp://127.0.0.1:1025");
        assert!(matches!(read(&[]), Ok(MailSettings::Off)));
        assert!(matches!(
            read(&[("MAIL", "off"), url]),
            Ok(MailSettings::Off)
        ));
        let on = smtp(&[url]);
        assert_eq!(
            (on.host.as_str(), on.port, on.delay),
            ("127.0.0.1", 1025, Duration::from_secs(15))
        );
        assert!(matches!(on.tls, Tls::None) && on.credentials.is_none());
    }

    #[test]
    fn the_url_says_how_the_connection_is_encrypted() {
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
    fn a_bad_setting_is_named_and_no_password_is_shown() {
        let from = ("MAIL_FROM", "orders@example.com");
        for (variables, name) in [
            (vec![("MAIL", "yes")], "MAIL="),
            (vec![("MAIL", "smtp")], "SMTP_URL="),
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
                "SMTP_PASSWORD=",
            ),
            (
                vec![
                    ("SMTP_URL", "smtp://127.0.0.1"),
                    ("SMTP_PASSWORD", "secret"),
                    from,
                ],
                "SMTP_USERNAME=",
            ),
            (
                vec![
                    ("SMTP_URL", "smtp://127.0.0.1"),
                    ("SMTP_CA_FILE", "/nowhere.pem"),
                    from,
                ],
                "SMTP_CA_FILE=",
            ),
            (vec![("SMTP_URL", "smtp://127.0.0.1")], "MAIL_FROM="),
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
