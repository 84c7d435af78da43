//! The message itself: headers and both bodies.

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};

use super::{settings::Smtp, template::MailContent};
use contract::OrderView;
use domain::{Email, NotificationKind};
use store::outbox::DueMail;

/// The reason why a row has no mail to send.
#[derive(Debug, thiserror::Error)]
pub(super) enum MessageError {
    #[error("the address is not a valid mail address")]
    Recipient(#[from] domain::EmailError),
    #[error("the mail library rejects the address")]
    Address(#[from] lettre::address::AddressError),
    #[error("unknown kind of mail")]
    Kind,
    #[error("the template failed")]
    Template(#[from] askama::Error),
    #[error("the mail could not be built")]
    Message(#[from] lettre::error::Error),
}

/// Builds the mail for a row of the outbox. Headers are built from parsed values only, so no text
/// can add a header.
pub(super) fn build_message(
    due: &DueMail,
    order: &OrderView,
    smtp: &Smtp,
) -> Result<Message, MessageError> {
    let kind = NotificationKind::parse(&due.kind).ok_or(MessageError::Kind)?;
    let letter = match kind.subject_field() {
        Some(_) => MailContent::of_subject(order, &due.subject_id),
        None => MailContent::of(order),
    };
    let rendered = letter.render(kind)?;
    // Mail servers without SMTPUTF8 accept only the ASCII form of a host.
    let recipient = Email::parse(&due.recipient)?;
    let address = Address::new(recipient.local_part(), recipient.ascii_host())?;
    let mut message = Message::builder()
        .message_id(Some(format!("<{}>", due.message_id)))
        .date(due.created_at.into())
        .from(smtp.from.clone())
        .to(Mailbox::new(letter.customer.clone(), address))
        .subject(rendered.subject);
    if let Some(reply_to) = &smtp.reply_to {
        message = message.reply_to(reply_to.clone());
    }
    let mut message = message.multipart(MultiPart::alternative_plain_html(
        rendered.text,
        rendered.html,
    ))?;
    // Prevents automatic replies (RFC 3834).
    let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
    message
        .headers_mut()
        .insert_raw(HeaderValue::new(automatic, "auto-generated".to_owned()));
    Ok(message)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;
    use lettre::transport::smtp::client::Tls;

    use super::*;
    use contract::Source;
    use domain::{OrderId, OrderState};

    /// Mail servers without SMTPUTF8 accept only the ASCII form of a host.
    #[test]
    fn recipient_has_the_ascii_form_of_its_host() {
        let due = DueMail {
            id: 1,
            order_id: "o-1".to_owned(),
            kind: "order_delivered".to_owned(),
            subject_id: String::new(),
            recipient: "jane@münchen.example".to_owned(),
            message_id: "1@orders.example".to_owned(),
            attempts: 1,
            created_at: DateTime::UNIX_EPOCH,
            lease_end: DateTime::UNIX_EPOCH,
        };
        let smtp = Smtp {
            host: "localhost".to_owned(),
            port: 25,
            tls: Tls::None,
            credentials: None,
            from: "shop@shop.example".parse().unwrap(),
            reply_to: None,
            delay: Duration::ZERO,
        };
        let state = OrderState::new(OrderId::parse("o-1").unwrap(), DateTime::UNIX_EPOCH);
        let order = OrderView::from_state(&state, Source::Database);
        let message = build_message(&due, &order, &smtp).unwrap();
        let recipients = message.envelope().to().iter().map(ToString::to_string);
        assert_eq!(
            recipients.collect::<Vec<_>>(),
            ["jane@xn--mnchen-3ya.example"]
        );
    }
}
