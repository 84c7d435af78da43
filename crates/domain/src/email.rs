//! E-mail addresses to which mail can be sent.

use email_address::EmailAddress as Syntax;

/// An e-mail address. Its host can be an internationalised name.
///
/// The API and the mails use this parser, so a mail can be addressed to every accepted address. Only
/// sending shows whether the address exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Email {
    text: String,
    at: usize,
    ascii_host: String,
}

/// The reason why a text is not an e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an e-mail address such as john@example.com")]
pub struct EmailError;

impl Email {
    /// The maximum length in characters (RFC 5321 allows 254 octets in a path).
    pub const MAX_LENGTH: usize = 254;

    /// Returns the address that the text contains.
    ///
    /// # Errors
    ///
    /// Fails if the text is not `LOCAL@HOST`, if the host is not a name of DNS, or if the text has an
    /// invisible character.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let (local, host) = text.rsplit_once('@').ok_or(EmailError)?;
        if local.starts_with('"') || text.chars().any(is_hidden) {
            return Err(EmailError);
        }
        let ascii_host = idna::domain_to_ascii_strict(host).map_err(|_| EmailError)?;
        let is_valid = text.chars().count() <= Self::MAX_LENGTH
            && local.len() + 1 + ascii_host.len() <= Self::MAX_LENGTH
            && Syntax::is_valid_local_part(local)
            && Syntax::is_valid_domain(&ascii_host);
        is_valid
            .then(|| Self {
                text: text.to_owned(),
                at: local.len(),
                ascii_host,
            })
            .ok_or(EmailError)
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The part before the `@`.
    pub fn local_part(&self) -> &str {
        &self.text[..self.at]
    }

    /// The host as mail servers need it: `xn--mnchen-3ya.example` for `münchen.example`.
    pub fn ascii_host(&self) -> &str {
        &self.ascii_host
    }
}

fn is_hidden(c: char) -> bool {
    !crate::has_visible_character(c.encode_utf8(&mut [0; 4]))
}

impl std::str::FromStr for Email {
    type Err = EmailError;

    fn from_str(text: &str) -> Result<Self, EmailError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_mail_can_reach_are_accepted() {
        for (text, host) in [
            ("john@example.com", "example.com"),
            ("o'brien+shop@mail.example.co.uk", "mail.example.co.uk"),
            ("a@b", "b"),
            ("user@münchen.example", "xn--mnchen-3ya.example"),
            ("user@Example.COM", "example.com"),
            ("jürgen@example.com", "example.com"),
            ("user@xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ] {
            let email = Email::parse(text).unwrap();
            assert_eq!((email.as_str(), email.ascii_host()), (text, host));
            assert_eq!(email.local_part(), text.split('@').next().unwrap());
        }
    }

    #[test]
    fn addresses_that_no_mail_can_reach_are_refused() {
        let long_label = format!("user@{}.com", "a".repeat(64));
        let long_local = format!("{}@example.com", "a".repeat(65));
        let long = format!("user@{}com", "abcdefgh.".repeat(30));
        for text in [
            "",
            "nobody",
            "@example.com",
            "user@",
            "a@b@example.com",
            "user@example..com",
            "user@.example.com",
            "user@example.com.",
            ".user@example.com",
            "us..er@example.com",
            "mailto:user@example.com",
            "user@[127.0.0.1]",
            "user@exa\u{200b}mple.com",
            "us\u{200b}er@example.com",
            "us\u{202e}er@example.com",
            "user@example.com ",
            "us er@example.com",
            "\"us er\"@example.com",
            "John <john@example.com>",
            "a,b@example.com",
            "user@exa_mple.com",
            "user@-example.com",
            "user@example-.com",
            "user@example.com\n",
            &long_label,
            &long_local,
            &long,
        ] {
            assert_eq!(Email::parse(text), Err(EmailError), "{text:?}");
        }
    }
}
