//! One entry of the table.

use std::fmt;

/// A program that reads settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Program {
    Worker,
    Start,
    Signal,
    Query,
    Events,
    Admin,
    Webhook,
    Web,
    /// The function that prepares the database and Temporal for a release.
    Migrate,
    /// `orderflow serve api`: all functions in one process.
    Gateway,
    /// `orderflow`, with all commands but `serve`.
    CommandLine,
}

impl Program {
    /// Returns the name that the documentation uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Worker => "worker",
            Self::Start => "`start`",
            Self::Signal => "`signal`",
            Self::Query => "`query`",
            Self::Events => "`events`",
            Self::Admin => "`admin`",
            Self::Webhook => "`webhook`",
            Self::Web => "`web`",
            Self::Migrate => "`migrate`",
            Self::Gateway => "local gateway",
            Self::CommandLine => "command line",
        }
    }
}

/// A subject; each one is a section of `docs/settings.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Section {
    Temporal,
    Database,
    Worker,
    Api,
    Orders,
    Payments,
    Carrier,
    Mail,
    Access,
    Webhooks,
    Endpoints,
    CommandLine,
    Logs,
    Traces,
    Aws,
    /// Variables that `orderflow env` prints for other programs.
    Exported,
}

impl Section {
    /// All sections in the order of the page.
    pub const ALL: [Self; 16] = [
        Self::Temporal,
        Self::Database,
        Self::Worker,
        Self::Api,
        Self::Orders,
        Self::Payments,
        Self::Carrier,
        Self::Mail,
        Self::Access,
        Self::Webhooks,
        Self::Endpoints,
        Self::CommandLine,
        Self::Logs,
        Self::Traces,
        Self::Aws,
        Self::Exported,
    ];

    /// Returns the heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Temporal => "Temporal",
            Self::Database => "Database",
            Self::Worker => "Worker",
            Self::Api => "API and local gateway",
            Self::Orders => "Order policy",
            Self::Payments => "Payments",
            Self::Carrier => "Carrier",
            Self::Mail => "Mail",
            Self::Access => "Access to the API",
            Self::Webhooks => "Webhooks of payment providers",
            Self::Endpoints => "Messages to other systems",
            Self::CommandLine => "Command line and local stack",
            Self::Logs => "Logs and colour",
            Self::Traces => "Traces",
            Self::Aws => "AWS",
            Self::Exported => "Printed by `orderflow env`",
        }
    }
}

/// The values that a setting accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these words in any case.
    AnyCase(&'static [&'static str]),
    /// A duration, zero included.
    Duration,
    /// A duration above zero.
    PositiveDuration,
    /// A value that its reader checks, described in words.
    Text(&'static str),
}

impl Allowed {
    /// Returns the problem of a value that is not allowed, for an error message.
    pub(crate) const fn problem(self) -> &'static str {
        match self {
            Self::Choice(_) | Self::AnyCase(_) => "unknown value",
            Self::Duration => "not a duration",
            Self::PositiveDuration => "not a duration above zero",
            Self::Text(_) => "not a valid value",
        }
    }

    /// Returns whether the syntax of `value` is allowed. A text is checked by its reader only.
    pub(crate) fn accepts(self, value: &str) -> bool {
        match self {
            Self::Choice(words) => words.contains(&value),
            Self::AnyCase(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
            Self::Duration => crate::parse_duration(value).is_some(),
            Self::PositiveDuration => {
                crate::parse_duration(value).is_some_and(|duration| !duration.is_zero())
            }
            Self::Text(_) => true,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Choice(words) | Self::AnyCase(words) => f.write_str(&words.join(", ")),
            Self::Duration => f.write_str("a duration such as 500ms, 3s, 15m, 24h or 14d"),
            Self::PositiveDuration => f.write_str("a duration above zero, such as 15m"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// An environment variable that programs of this project read.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    pub(crate) name: &'static str,
    pub(crate) section: Section,
    pub(crate) description: &'static str,
    pub(crate) allowed: Allowed,
    pub(crate) default: &'static str,
    pub(crate) default_note: &'static str,
    pub(crate) local: Option<&'static str>,
    pub(crate) is_secret: bool,
    pub(crate) readers: &'static [Program],
}

impl Setting {
    pub(crate) const fn new(
        name: &'static str,
        section: Section,
        description: &'static str,
        allowed: Allowed,
        readers: &'static [Program],
    ) -> Self {
        Self {
            name,
            section,
            description,
            allowed,
            default: "",
            default_note: "",
            local: None,
            is_secret: false,
            readers,
        }
    }

    /// Sets the value that an unset variable has.
    pub(crate) const fn default(mut self, default: &'static str) -> Self {
        self.default = default;
        self
    }

    /// Describes a default that depends on something else.
    pub(crate) const fn default_note(mut self, note: &'static str) -> Self {
        self.default_note = note;
        self
    }

    /// Sets the value that the local stack gives to an unset variable.
    pub(crate) const fn local(mut self, value: &'static str) -> Self {
        self.local = Some(value);
        self
    }

    pub(crate) const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// Returns the name of the environment variable.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the section of the page that lists this setting.
    pub const fn section(&self) -> Section {
        self.section
    }

    /// Returns one sentence about the meaning.
    pub const fn description(&self) -> &'static str {
        self.description
    }

    /// Returns the allowed values.
    pub const fn allowed(&self) -> Allowed {
        self.allowed
    }

    /// Returns the value that an unset variable has; empty if there is none.
    pub const fn default_value(&self) -> &'static str {
        self.default
    }

    /// Returns the value that the local stack gives to an unset variable.
    pub const fn local_value(&self) -> Option<&'static str> {
        self.local
    }

    /// Returns whether the value must not be shown.
    pub const fn is_secret(&self) -> bool {
        self.is_secret
    }

    /// Returns the programs that read this setting.
    pub const fn readers(&self) -> &'static [Program] {
        self.readers
    }
}
