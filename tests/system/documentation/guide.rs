//! `docs/signals-and-queries.md`: each of its commands, as it stands, says what the page says.

use std::process::Command;

use super::read_file;
use crate::harness::Harness;

/// The commands of the page with what each says, in order.
fn commands(page: &str) -> Vec<(String, String)> {
    let blocks = page
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let commands = blocks.flat_map(|block| block.trim().split("\n\n"));
    let pair = |lines: &str| {
        let (command, says) = lines
            .split_once("\n# says ")
            .unwrap_or_else(|| panic!("{lines} says nothing"));
        (command.to_owned(), says.trim().to_owned())
    };
    commands.map(pair).collect()
}

#[tokio::test]
async fn the_page_on_signals_and_queries_is_true() {
    // A longer wait before dispatch than the profile's own: a slow machine must find its moment for the third story.
    let world =
        Harness::start_with(&[("ORDER_PROFILE", "lifecycle"), ("SHIPPING_DELAY", "15s")]).await;
    let commands = commands(&read_file("docs/signals-and-queries.md"));
    assert!(commands.len() > 15, "{}", commands.len());
    for (command, says) in commands {
        let here = command.replace("localhost:8000", world.url.trim_start_matches("http://"));
        let run = async || {
            let here = here.clone();
            let output = tokio::task::spawn_blocking(move || {
                Command::new("bash").args(["-c", &here]).output().unwrap()
            });
            String::from_utf8_lossy(&output.await.unwrap().stdout).into_owned()
        };
        // What takes its time is asked again, as a reader would.
        world
            .wait_until(&command, run, |said| said.contains(&says))
            .await;
    }
    world.assert_invariants().await;
}
