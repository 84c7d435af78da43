//! What users of five other systems know: their own calls as they stand, and the page that says where the rest is.

mod calls;
mod page;
