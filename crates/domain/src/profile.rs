//! Profiles: named policies, which settings of the deployment can change.

use crate::{
    CaptureMode, CompleteOn, Decimal, DeliveryPolicy, HoldOnDispute, OnTimeout, OrderPolicy,
    PartialPayments, PaymentMode, ReviewMode, ReviewPolicy, Span, status::string_enum,
};
use settings::{Environment, Setting, SettingError};

string_enum! {
    /// A named policy.
    Profile {
        Production => "production",
        Lifecycle => "lifecycle",
        Approval => "approval",
        Quick => "quick",
        Checkout => "checkout",
    }
}

const DAY: u64 = 86_400;

impl Profile {
    /// Returns the policy of this profile.
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
            payment_processing_timeout: Span::from_secs(14 * DAY),
            partial_payments: PartialPayments::Collect,
            capture: CaptureMode::Immediate,
            hold_on_dispute: HoldOnDispute::On,
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

/// Returns the policy of `profile`, or of the deployment's profile if it is `None`.
///
/// The deployment's profile is `ORDER_PROFILE`. The other settings of orders change the policy of the
/// deployment's profile only, so another profile that a request names keeps its own values.
///
/// # Errors
///
/// Fails on a setting with a value that is not allowed.
pub fn resolve_policy(
    profile: Option<Profile>,
    environment: &Environment,
) -> Result<OrderPolicy, SettingError> {
    let of_deployment = choose(environment, &settings::ORDER_PROFILE, Profile::parse)?
        .unwrap_or(Profile::Production);
    let mut policy = profile.unwrap_or(of_deployment).policy();
    if profile.is_some_and(|profile| profile != of_deployment) {
        return Ok(policy);
    }
    let review = &mut policy.review;
    set(
        &mut review.mode,
        choose(environment, &settings::REVIEW, ReviewMode::parse)?,
    );
    if let Some(threshold) = environment.parse::<Decimal>(&settings::REVIEW_THRESHOLD)? {
        review.threshold = Some(threshold);
    }
    set(
        &mut review.timeout,
        environment.parse(&settings::MANUAL_REVIEW_TIMEOUT)?,
    );
    set(
        &mut review.on_timeout,
        choose(environment, &settings::REVIEW_ON_TIMEOUT, OnTimeout::parse)?,
    );
    set(
        &mut policy.payment,
        choose(environment, &settings::PAYMENT, PaymentMode::parse)?,
    );
    set(
        &mut policy.payment_timeout,
        environment.parse(&settings::PAYMENT_TIMEOUT)?,
    );
    set(
        &mut policy.payment_processing_timeout,
        environment.parse(&settings::PAYMENT_PROCESSING_TIMEOUT)?,
    );
    set(
        &mut policy.partial_payments,
        choose(
            environment,
            &settings::PAYMENT_PARTIAL,
            PartialPayments::parse,
        )?,
    );
    set(
        &mut policy.capture,
        choose(environment, &settings::CAPTURE, CaptureMode::parse)?,
    );
    set(
        &mut policy.hold_on_dispute,
        choose(
            environment,
            &settings::HOLD_ON_DISPUTE,
            HoldOnDispute::parse,
        )?,
    );
    set(
        &mut policy.payment_retry_for,
        environment.parse(&settings::PAYMENT_RETRY_FOR)?,
    );
    set(
        &mut policy.payment_processing_delay,
        environment.parse(&settings::PAYMENT_PROCESSING_DELAY)?,
    );
    set(
        &mut policy.shipping_delay,
        environment.parse(&settings::SHIPPING_DELAY)?,
    );
    set(
        &mut policy.complete_on,
        choose(environment, &settings::COMPLETE_ON, CompleteOn::parse)?,
    );
    set(
        &mut policy.delivery,
        environment.parse(&settings::DELIVERY)?,
    );
    set(
        &mut policy.delivery_estimate,
        environment.parse(&settings::DELIVERY_ESTIMATE)?,
    );
    set(
        &mut policy.deadline,
        environment
            .parse::<Deadline>(&settings::ORDER_DEADLINE)?
            .map(|deadline| deadline.0),
    );
    Ok(policy)
}

fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// Returns the value of a setting, or `None` if it is not set.
fn choose<T>(
    environment: &Environment,
    setting: &Setting,
    parse: fn(&str) -> Option<T>,
) -> Result<Option<T>, SettingError> {
    environment.check_one(setting)?;
    Ok(environment.get(setting).and_then(parse))
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
        resolve_policy(profile, &Environment::from_pairs(variables.iter().copied()))
    }

    #[test]
    fn variable_overrides_profile_of_deployment() {
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
    fn profile_of_request_ignores_variables() {
        let policy = resolve(
            Some(Profile::Quick),
            &[("ORDER_PROFILE", "approval"), ("PAYMENT", "confirm")],
        )
        .unwrap();
        assert_eq!(policy, Profile::Quick.policy());
    }

    #[test]
    fn bad_value_is_rejected_with_allowed_values() {
        for (name, value, problem) in [
            (
                "ORDER_PROFILE",
                "fast",
                "unknown value; allowed: production, lifecycle, approval, quick, checkout",
            ),
            (
                "DELIVERY",
                "auto",
                "not a valid value; allowed: confirm, or auto:DURATION such as auto:2s",
            ),
            (
                "PAYMENT_TIMEOUT",
                "soon",
                "not a duration; allowed: a duration such as 500ms, 3s, 15m, 24h or 14d",
            ),
            (
                "ORDER_DEADLINE",
                "-1",
                "not a valid value; allowed: none, or a duration such as 60s",
            ),
        ] {
            assert_eq!(
                resolve(None, &[(name, value)]).unwrap_err().to_string(),
                format!("{name}={value}: {problem}")
            );
        }
    }

    #[test]
    fn defaults_of_the_table_are_those_of_production() {
        let defaults: Vec<_> = settings::ALL
            .iter()
            .filter(|setting| setting.section() == settings::Section::Orders)
            .map(|setting| (setting.name(), setting.default_value()))
            .collect();
        assert_eq!(
            resolve(None, &defaults).unwrap(),
            Profile::Production.policy()
        );
    }

    #[test]
    fn table_allows_each_word_of_a_policy() {
        let names = |names: Vec<&'static str>| settings::Allowed::Choice(names.leak());
        for (setting, words) in [
            (
                &settings::ORDER_PROFILE,
                names(Profile::ALL.iter().map(|word| word.as_str()).collect()),
            ),
            (
                &settings::REVIEW,
                names(ReviewMode::ALL.iter().map(|word| word.as_str()).collect()),
            ),
            (
                &settings::REVIEW_ON_TIMEOUT,
                names(OnTimeout::ALL.iter().map(|word| word.as_str()).collect()),
            ),
            (
                &settings::PAYMENT,
                names(PaymentMode::ALL.iter().map(|word| word.as_str()).collect()),
            ),
            (
                &settings::PAYMENT_PARTIAL,
                names(
                    PartialPayments::ALL
                        .iter()
                        .map(|word| word.as_str())
                        .collect(),
                ),
            ),
            (
                &settings::CAPTURE,
                names(CaptureMode::ALL.iter().map(|word| word.as_str()).collect()),
            ),
            (
                &settings::HOLD_ON_DISPUTE,
                names(
                    HoldOnDispute::ALL
                        .iter()
                        .map(|word| word.as_str())
                        .collect(),
                ),
            ),
            (
                &settings::COMPLETE_ON,
                names(CompleteOn::ALL.iter().map(|word| word.as_str()).collect()),
            ),
        ] {
            assert_eq!(setting.allowed(), words, "{}", setting.name());
        }
    }
}
