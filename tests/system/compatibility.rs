//! Requests of five other order systems, and the page that maps their features to ours.

mod calls;
mod page;
