//! Profiles: named policies, which settings of the deployment can change.

use std::num::NonZeroU32;

use crate::{
    CaptureMode, CompleteOn, Decimal, DeliveryPolicy, HoldLimits, HoldOnDispute, OnTimeout, Order,
    OrderPolicy, PartialPayments, PaymentMode, ReviewLimits, ReviewMode, ReviewPolicy, Span,
    status::string_enum,
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
            hold_limits: None,
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

/// The policy of a deployment's orders. That of one order depends on its currency.
#[derive(Debug, Clone, PartialEq)]
pub struct DeploymentPolicy {
    policy: OrderPolicy,
    /// The limits of the review by currency. `None`: all currencies have the limit of `policy`.
    limits: Option<ReviewLimits>,
    /// The limit of a currency without its own.
    limit_of_others: Option<Decimal>,
}

impl DeploymentPolicy {
    /// Returns the policy of an order. An order in a currency without a limit is not reviewed for its
    /// amount.
    pub fn for_order(&self, order: &Order) -> OrderPolicy {
        let mut policy = self.policy.clone();
        if let Some(limits) = &self.limits {
            let limit = limits.find(order.currency).or(self.limit_of_others);
            policy.review.threshold = limit;
            if limit.is_none() {
                policy.review.mode = ReviewMode::None;
            }
        }
        policy
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
) -> Result<DeploymentPolicy, SettingError> {
    let of_deployment = choose(environment, &settings::ORDER_PROFILE, Profile::parse)?
        .unwrap_or(Profile::Production);
    let chosen = profile.unwrap_or(of_deployment);
    let mut policy = chosen.policy();
    // The other profiles review every order.
    let default = settings::REVIEW_THRESHOLDS.default_value().parse().ok();
    let mut limits = default.filter(|_| chosen == Profile::Production);
    if chosen != of_deployment {
        return Ok(DeploymentPolicy {
            policy,
            limits,
            limit_of_others: None,
        });
    }
    let review = &mut policy.review;
    set(
        &mut review.mode,
        choose(environment, &settings::REVIEW, ReviewMode::parse)?,
    );
    let limit_of_others = environment.parse::<Decimal>(&settings::REVIEW_THRESHOLD)?;
    let by_currency = environment.parse::<ReviewLimits>(&settings::REVIEW_THRESHOLDS)?;
    if by_currency.is_some() || limit_of_others.is_some() {
        limits = by_currency;
    }
    if limit_of_others.is_some() {
        review.threshold = limit_of_others;
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
    Ok(DeploymentPolicy {
        policy,
        limits,
        limit_of_others,
    })
}

impl HoldLimits {
    /// Reads the limits of the deployment, which all profiles have.
    ///
    /// # Errors
    ///
    /// Fails on a setting with a value that is not allowed.
    pub fn from_settings(environment: &Environment) -> Result<Self, SettingError> {
        let units = |setting| environment.parse_or_default::<NonZeroU32>(setting);
        Ok(Self {
            per_order: units(&settings::HELD_PER_ORDER)?.get(),
            per_customer: units(&settings::HELD_PER_CUSTOMER)?.get(),
            timeout: environment.parse_or_default(&settings::RESERVATION_TIMEOUT)?,
        })
    }
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
        resolve_deployment(profile, variables).map(|deployment| deployment.policy)
    }

    fn resolve_deployment(
        profile: Option<Profile>,
        variables: &[(&str, &str)],
    ) -> Result<DeploymentPolicy, SettingError> {
        resolve_policy(profile, &Environment::from_pairs(variables.iter().copied()))
    }

    /// Returns whether an order of this total is reviewed.
    fn is_reviewed(variables: &[(&str, &str)], minor: i64, code: &str) -> bool {
        let currency = crate::Currency::parse(code).unwrap();
        let order = Order {
            customer: crate::Customer::default(),
            lines: Vec::new(),
            currency,
            charges: crate::Charges::default(),
            total: crate::Money::from_minor(minor, currency).unwrap(),
            shipping_address: None,
            billing_address: None,
            payment_id: None,
            payment_method: None,
            notes: crate::Notes::default(),
            quote: None,
        };
        let policy = resolve_deployment(None, variables)
            .unwrap()
            .for_order(&order);
        policy.review_mode_for(&order) != ReviewMode::None
    }

    #[test]
    fn limit_of_review_belongs_to_one_currency() {
        // About 5 dollars, and 10,000 dollars.
        assert!(!is_reviewed(&[], 120_000, "VND"));
        assert!(is_reviewed(&[], 1_000_000, "USD"));
        assert!(!is_reviewed(&[], 999_999, "USD"));
        let own = [("REVIEW_THRESHOLDS", "USD:100,JPY:5000")];
        assert!(is_reviewed(&own, 10_000, "USD"));
        assert!(is_reviewed(&own, 5_000, "JPY"));
        assert!(!is_reviewed(&own, 4_999, "JPY"));
        assert!(!is_reviewed(&own, 100_000_000, "EUR"));
    }

    #[test]
    fn earlier_limit_is_that_of_currencies_without_their_own() {
        let earlier = ("REVIEW_THRESHOLD", "50");
        assert!(is_reviewed(&[earlier], 5_000, "USD"));
        assert!(is_reviewed(&[earlier], 50, "JPY"));
        let both = [earlier, ("REVIEW_THRESHOLDS", "USD:100")];
        assert!(!is_reviewed(&both, 5_000, "USD"));
        assert!(is_reviewed(&both, 5_000, "EUR"));
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
                "REVIEW_THRESHOLDS",
                "10000",
                "not a valid value; allowed: amounts by currency, such as USD:10000,EUR:9000",
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
            resolve_deployment(None, &defaults),
            resolve_deployment(None, &[])
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
