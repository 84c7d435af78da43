//! `signals`: one after the other, by number. It reads lines, so a script can type as well.

use std::io::{BufRead, Stdin};

use anyhow::{Result, bail};
use reqwest::Method;

use super::{
    api_client::ApiClient,
    arguments::{
        AddressArguments, Approve, Cancel, ConfirmDelivery, ConfirmPayment, OrderArguments, Reject,
        SignalsArguments, StatusArguments, UpdateAddress,
    },
    signals, state,
};
use crate::output::{OutputArguments, paint_heading, print, print_prompt};

const MENU: &str = "
  1  Cancel
  2  Update Address
  3  Cancel Payment
  4  Approve
  5  Reject
  6  Confirm Payment
  7  Confirm Delivery
  8  Status
  0  Quit";

/// Goes on until somebody quits, or nobody types any more. A signal that is refused is no end.
pub(crate) async fn run_menu(arguments: SignalsArguments) -> Result<()> {
    let person = Person(std::io::stdin());
    let id = match arguments.id {
        Some(id) => id,
        None => match person.says("Order id or workflow id: ")? {
            Some(id) => id,
            None => bail!("there is no id; give one as in `orderflow signals order-123`"),
        },
    };
    // An unknown order is told before the menu is.
    ApiClient::from_env()?
        .call_order(Method::GET, &id, &["status"], None)
        .await?;
    loop {
        print(&format!(
            "\n{}{MENU}",
            paint_heading(&format!("Signals for {id}"))
        ))?;
        let Some(choice) = person.says("Which? ")? else {
            return Ok(());
        };
        let order = OrderArguments {
            id: id.clone(),
            output: OutputArguments { json: false },
        };
        let done = match choice.as_str() {
            "1" => {
                signals::cancel(Cancel {
                    order,
                    reason: person.says("Reason (empty for none): ")?,
                })
                .await
            }
            "2" => {
                signals::update_address(UpdateAddress {
                    order,
                    address: person.address()?,
                })
                .await
            }
            "3" => signals::cancel_payment(order).await,
            "4" => {
                let note = person.says("Note (empty for none): ")?;
                signals::approve(Approve {
                    order,
                    reviewer: None,
                    note,
                })
                .await
            }
            "5" => {
                let reason = person.says("Reason (empty for none): ")?;
                signals::reject(Reject {
                    order,
                    reviewer: None,
                    reason,
                })
                .await
            }
            "6" => {
                let transaction_id = person.says("Transaction id: ")?.unwrap_or_default();
                let amount = person.says("Amount, such as 99.99: ")?.unwrap_or_default();
                let method = person.says("Payment method (empty for none): ")?;
                signals::confirm_payment(ConfirmPayment {
                    order,
                    transaction_id,
                    amount,
                    currency: None,
                    method,
                })
                .await
            }
            "7" => {
                let signed_by = person.says("Signed by (empty for nobody): ")?;
                signals::confirm_delivery(ConfirmDelivery {
                    order,
                    delivered_at: None,
                    signed_by,
                })
                .await
            }
            "8" => {
                state::show_status(StatusArguments {
                    order,
                    watch: false,
                })
                .await
            }
            "0" | "q" | "quit" | "exit" => return Ok(()),
            other => {
                print(&format!(
                    "{other:?} is not in the menu; type a number from 0 to 8"
                ))?;
                continue;
            }
        };
        if let Err(error) = done {
            eprintln!("error: {error:#}");
        }
    }
}

/// Whoever types.
struct Person(Stdin);

impl Person {
    /// The next line that is typed, without spaces around it; `None` for an empty one, and at the end.
    fn says(&self, question: &str) -> Result<Option<String>> {
        print_prompt(question)?;
        let mut line = String::new();
        self.0.lock().read_line(&mut line)?;
        Ok(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
    }

    fn address(&self) -> Result<AddressArguments> {
        print("What is left empty keeps its value.")?;
        Ok(AddressArguments {
            street: self.says("Street: ")?,
            city: self.says("City: ")?,
            state: self.says("State: ")?,
            postal_code: self.says("Postal code: ")?,
            country: self.says("Country: ")?,
        })
    }
}
