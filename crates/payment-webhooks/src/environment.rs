//! Live and test events.

/// The provider's system that this deployment belongs to, live or test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Live,
    Test,
}
