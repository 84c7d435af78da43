//! `signals`: a menu that reads one line per answer, so a script can use it too.

use std::io::{BufRead, Stdin};

use anyhow::{Result, bail};
use reqwest::Method;

use super::{
    api_client::ApiClient,
    arguments::{
        AddressArguments, Approve, Cancel, ConfirmDelivery, ConfirmPayment, OrderArguments,
        ReasonArguments, Reject, SignalsArguments, StatusArguments, UpdateAddress, UpdateItems,
    },
    signals, state,
};
use crate::{
    output::{OutputArguments, paint_heading, print, print_prompt},
    value_parsers,
};

const MENU: &str = "
  1  Cancel
  2  Update Address
  3  Cancel Payment
  4  Approve
  5  Reject
  6  Confirm Payment
  7  Confirm Delivery
  8  Status
  9  Hold
 10  Release
 11  Update Items
  0  Quit";

/// Shows the menu until the user quits or the input ends. Reports a refused signal and continues.
pub(crate) async fn run_menu(arguments: SignalsArguments) -> Result<()> {
    let input = Input(std::io::stdin());
    let id = match arguments.id {
        Some(id) => id,
        None => match input.prompt("Order id or workflow id: ")? {
            Some(id) => id,
            None => {
                bail!("order id: none was given; pass one, as in `orderflow signals order-123`")
            }
        },
    };
    // An unknown order is an error before the menu is shown.
    ApiClient::from_env()?
        .call_order(Method::GET, &id, &["status"], None)
        .await?;
    loop {
        print(&format!(
            "\n{}{MENU}",
            paint_heading(&format!("Signals for {id}"))
        ))?;
        let Some(choice) = input.prompt("Signal: ")? else {
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
                    reason: input.prompt("Reason (empty for none): ")?,
                    public_reason: None,
                })
                .await
            }
            "2" => {
                signals::update_address(UpdateAddress {
                    order,
                    address: input.prompt_address()?,
                    replace: false,
                })
                .await
            }
            "3" => {
                signals::cancel_payment(ReasonArguments {
                    order,
                    reason: None,
                    public_reason: None,
                })
                .await
            }
            "4" => {
                let note = input.prompt("Note (empty for none): ")?;
                signals::approve(Approve {
                    order,
                    reviewer: None,
                    note,
                    public_reason: None,
                })
                .await
            }
            "5" => {
                let reason = input.prompt("Reason (empty for none): ")?;
                signals::reject(Reject {
                    order,
                    reviewer: None,
                    reason,
                    public_reason: None,
                })
                .await
            }
            "6" => {
                let transaction_id = input.prompt("Transaction id: ")?.unwrap_or_default();
                let amount = input.prompt("Amount, such as 99.99: ")?.unwrap_or_default();
                let method = input.prompt("Payment method (empty for none): ")?;
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
                let signed_by = input.prompt("Signed by (empty for none): ")?;
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
            "9" => signals::hold(input.prompt_hold_change(order)?).await,
            "10" => signals::release(input.prompt_hold_change(order)?).await,
            "11" => {
                signals::update_items(UpdateItems {
                    order,
                    items: input.prompt_items()?,
                })
                .await
            }
            "0" | "q" | "quit" | "exit" => return Ok(()),
            other => {
                print(&format!(
                    "{other:?} is not in the menu; enter a number from 0 to 11"
                ))?;
                continue;
            }
        };
        if let Err(error) = done {
            eprintln!("error: {error:#}");
        }
    }
}

/// The user's answers, from standard input.
struct Input(Stdin);

impl Input {
    /// Prints a prompt and reads a line without surrounding spaces. Returns `None` for an empty
    /// line and at the end of the input.
    fn prompt(&self, text: &str) -> Result<Option<String>> {
        print_prompt(text)?;
        let mut line = String::new();
        self.0.lock().read_line(&mut line)?;
        Ok(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
    }

    fn prompt_address(&self) -> Result<AddressArguments> {
        print("Leave a field empty to keep its value.")?;
        Ok(AddressArguments {
            street: self.prompt("Street: ")?,
            city: self.prompt("City: ")?,
            state: self.prompt("State: ")?,
            postal_code: self.prompt("Postal code: ")?,
            country: self.prompt("Country: ")?,
            ..AddressArguments::default()
        })
    }

    fn prompt_hold_change(&self, order: OrderArguments) -> Result<ReasonArguments> {
        Ok(ReasonArguments {
            order,
            reason: self.prompt("Reason (empty for none): ")?,
            public_reason: self.prompt("Reason for the customer (empty for none): ")?,
        })
    }

    /// Reads SKUs with their new quantities until an empty line.
    fn prompt_items(&self) -> Result<Vec<(String, u32)>> {
        print(
            "Enter each changed SKU with its new quantity, and an empty line after the last one.",
        )?;
        let mut items = Vec::new();
        while let Some(line) = self.prompt("SKU and quantity, such as ABC123=2: ")? {
            match value_parsers::new_quantity(&line) {
                Ok(item) => items.push(item),
                Err(problem) => print(&problem)?,
            }
        }
        Ok(items)
    }
}
