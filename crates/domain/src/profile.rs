//! Named sets of settings, and what environment variables change about them.

use std::fmt;

use crate::{
    CompleteOn, Decimal, DeliveryPolicy, OnTimeout, OrderPolicy, PaymentMode, ReviewMode,
    ReviewPolicy, Span, status::named,
};

named! {
    /// The settings of five systems.
    Profile {
        Production => "production",
        Lifecycle => "lifecycle",
        Approval => "approval",
        Quick => "quick",
        Checkout => "checkout",
    }
}

/// A setting that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name}={value} is not allowed: {allowed}")]
pub struct SettingError {
    pub name: String,
    pub value: String,
    pub allowed: String,
}

const DAY: u64 = 86_400;

impl Profile {
    /// The set as the contract's table has it.
    pub fn policy(self) -> OrderPolicy {
        let common = OrderPolicy {
            review: ReviewPolicy {
                mode: ReviewMode::Approval,
                threshold: None,
                timeout: Span::from_secs(DAY),
                on_timeout: OnTimeout::Cancel,
            },
            payment: PaymentMode::Charge,
            payment_timeout: Span::from_secs(DAY),
            payment_retry_for: Span::from_secs(600),
            payment_processing_delay: Span::ZERO,
            shipping_delay: Span::ZERO,
            complete_on: CompleteOn::Delivered,
            delivery: DeliveryPolicy {
                auto: true,
                after: Span::from_secs(2),
            },
            delivery_estimate: Span::from_secs(3 * DAY),
            deadline: None,
        };
        let review = |mode, seconds, on_timeout| ReviewPolicy {
            mode,
            threshold: None,
            timeout: Span::from_secs(seconds),
            on_timeout,
        };
        match self {
            Self::Production => OrderPolicy {
                review: ReviewPolicy {
                    threshold: Some(Decimal::new(10_000, 0)),
                    ..common.review
                },
                payment: PaymentMode::Auto,
                delivery: DeliveryPolicy {
                    auto: false,
                    after: Span::from_secs(14 * DAY),
                },
                ..common
            },
            Self::Lifecycle => OrderPolicy {
                review: review(ReviewMode::Timer, 3, OnTimeout::Proceed),
                payment_processing_delay: Span::from_secs(2),
                shipping_delay: Span::from_secs(2),
                ..common
            },
            Self::Approval => OrderPolicy {
                review: review(ReviewMode::Approval, 30, OnTimeout::Cancel),
                complete_on: CompleteOn::Dispatched,
                deadline: Some(Span::from_secs(60)),
                ..common
            },
            Self::Quick => OrderPolicy {
                review: review(ReviewMode::Approval, 8, OnTimeout::Proceed),
                complete_on: CompleteOn::Dispatched,
                deadline: Some(Span::from_secs(15)),
                ..common
            },
            Self::Checkout => OrderPolicy {
                review: ReviewPolicy {
                    mode: ReviewMode::None,
                    ..common.review
                },
                payment: PaymentMode::Confirm,
                ..common
            },
        }
    }
}

/// The policy of `profile` (else of `ORDER_PROFILE`, else of `production`) with the single variables
/// that `setting` finds. A profile that a request names keeps its own values: the variables belong
/// to the deployment's profile.
pub fn resolve_policy(
    profile: Option<Profile>,
    setting: impl Fn(&str) -> Option<String>,
) -> Result<OrderPolicy, SettingError> {
    let settings = Settings(&setting);
    let of_deployment = settings
        .named("ORDER_PROFILE", Profile::ALL, Profile::parse)?
        .unwrap_or(Profile::Production);
    let mut policy = profile.unwrap_or(of_deployment).policy();
    if profile.is_some_and(|profile| profile != of_deployment) {
        return Ok(policy);
    }
    let review = &mut policy.review;
    settings.set(
        &mut review.mode,
        settings.named("REVIEW", ReviewMode::ALL, ReviewMode::parse)?,
    );
    if let Some(threshold) = settings.parsed::<Decimal>("REVIEW_THRESHOLD")? {
        review.threshold = Some(threshold);
    }
    settings.set(
        &mut review.timeout,
        settings.parsed("MANUAL_REVIEW_TIMEOUT")?,
    );
    settings.set(
        &mut review.on_timeout,
        settings.named("REVIEW_ON_TIMEOUT", OnTimeout::ALL, OnTimeout::parse)?,
    );
    settings.set(
        &mut policy.payment,
        settings.named("PAYMENT", PaymentMode::ALL, PaymentMode::parse)?,
    );
    settings.set(
        &mut policy.payment_timeout,
        settings.parsed("PAYMENT_TIMEOUT")?,
    );
    settings.set(
        &mut policy.payment_retry_for,
        settings.parsed("PAYMENT_RETRY_FOR")?,
    );
    settings.set(
        &mut policy.payment_processing_delay,
        settings.parsed("PAYMENT_PROCESSING_DELAY")?,
    );
    settings.set(
        &mut policy.shipping_delay,
        settings.parsed("SHIPPING_DELAY")?,
    );
    settings.set(
        &mut policy.complete_on,
        settings.named("COMPLETE_ON", CompleteOn::ALL, CompleteOn::parse)?,
    );
    settings.set(&mut policy.delivery, settings.parsed("DELIVERY")?);
    settings.set(
        &mut policy.delivery_estimate,
        settings.parsed("DELIVERY_ESTIMATE")?,
    );
    settings.set(
        &mut policy.deadline,
        settings
            .parsed::<Deadline>("ORDER_DEADLINE")?
            .map(|deadline| deadline.0),
    );
    Ok(policy)
}

struct Settings<'a, F>(&'a F);

impl<F: Fn(&str) -> Option<String>> Settings<'_, F> {
    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn set<T>(&self, place: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *place = value;
        }
    }

    fn parsed<T: std::str::FromStr<Err: fmt::Display>>(
        &self,
        name: &str,
    ) -> Result<Option<T>, SettingError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let parsed = value.parse().map(Some);
        parsed.map_err(|error: T::Err| SettingError {
            name: name.to_owned(),
            value,
            allowed: error.to_string(),
        })
    }

    fn named<T: fmt::Display>(
        &self,
        name: &str,
        all: &[T],
        parse: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, SettingError> {
        let Some(value) = self.get(name) else {
            return Ok(None);
        };
        let allowed = || {
            format!(
                "must be one of {}",
                all.iter().map(T::to_string).collect::<Vec<_>>().join(", ")
            )
        };
        parse(&value).map(Some).ok_or_else(|| SettingError {
            name: name.to_owned(),
            value,
            allowed: allowed(),
        })
    }
}

struct Deadline(Option<Span>);
impl std::str::FromStr for Deadline {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let span = || {
            text.parse()
                .map(Some)
                .map_err(|_| "must be none or a duration such as 60s")
        };
        if text == "none" {
            Ok(Self(None))
        } else {
            span().map(Self)
        }
    }
}

impl std::str::FromStr for DeliveryPolicy {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "must be confirm or auto:DURATION such as auto:2s";
        if text == "confirm" {
            return Ok(Self {
                auto: false,
                after: Span::from_secs(14 * DAY),
            });
        }
        let after = text
            .strip_prefix("auto:")
            .and_then(|span| span.parse().ok())
            .ok_or(ALLOWED)?;
        Ok(Self { auto: true, after })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolve(
        profile: Option<Profile>,
        variables: &[(&str, &str)],
    ) -> Result<OrderPolicy, SettingError> {
        resolve_policy(profile, |name| {
            variables
                .iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_variable_overrides_the_deployments_profile() {
        let policy = resolve(
            None,
            &[
                ("ORDER_PROFILE", "approval"),
                ("MANUAL_REVIEW_TIMEOUT", "5"),
                ("ORDER_DEADLINE", "none"),
            ],
        )
        .unwrap();
        assert_eq!(
            (policy.review.timeout, policy.deadline),
            (Span::from_secs(5), None)
        );
        assert_eq!(policy.review.on_timeout, OnTimeout::Cancel);
        assert_eq!(resolve(None, &[]).unwrap(), Profile::Production.policy());
    }

    #[test]
    fn a_requests_own_profile_is_as_in_the_table() {
        let policy = resolve(
            Some(Profile::Quick),
            &[("ORDER_PROFILE", "approval"), ("PAYMENT", "confirm")],
        )
        .unwrap();
        assert_eq!(policy, Profile::Quick.policy());
    }

    #[test]
    fn a_bad_setting_names_the_variable_the_value_and_what_is_allowed() {
        for (name, value, allowed) in [
            (
                "ORDER_PROFILE",
                "fast",
                "must be one of production, lifecycle, approval, quick, checkout",
            ),
            (
                "DELIVERY",
                "auto",
                "must be confirm or auto:DURATION such as auto:2s",
            ),
            (
                "PAYMENT_TIMEOUT",
                "soon",
                "must be a duration such as 3s, 500ms, 15m, 24h, 14d, or a number of seconds",
            ),
            (
                "ORDER_DEADLINE",
                "-1",
                "must be none or a duration such as 60s",
            ),
        ] {
            assert_eq!(
                resolve(None, &[(name, value)]).unwrap_err().to_string(),
                format!("{name}={value} is not allowed: {allowed}")
            );
        }
    }
}
