//! The decision which traces are recorded.

/// The decision about a trace that begins here.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Root {
    On,
    Off,
    /// A share from 0 to 1, the same decision for the same trace in each program.
    Ratio(f64),
}

/// The rule for requests.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sampling {
    pub(super) root: Root,
    /// Whether a caller's decision is followed.
    pub(super) follows_caller: bool,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            root: Root::On,
            follows_caller: true,
        }
    }
}

impl Sampling {
    /// Decides about a request. `caller` is the caller's decision, if it sent one.
    pub(super) fn decide(self, trace_id: u128, caller: Option<bool>) -> bool {
        match (caller, self.root) {
            (Some(decided), _) if self.follows_caller => decided,
            (_, Root::On) => true,
            (_, Root::Off) => false,
            (_, Root::Ratio(share)) => is_below(trace_id, share),
        }
    }
}

/// Returns whether the id is in this share of all ids. As OpenTelemetry's `TraceIdRatioBased`, it uses
/// the low 63 bits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the share is from 0 to 1, and its last bits do not matter"
)]
fn is_below(trace_id: u128, share: f64) -> bool {
    let low = (trace_id as u64) >> 1;
    share >= 1.0 || low < (share * (1_u64 << 63) as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caller_decides_unless_its_decision_is_ignored() {
        let sampling = |root, follows_caller| Sampling {
            root,
            follows_caller,
        };
        assert!(sampling(Root::Off, true).decide(1, Some(true)));
        assert!(!sampling(Root::On, true).decide(1, Some(false)));
        assert!(!sampling(Root::Off, false).decide(1, Some(true)));
        assert!(sampling(Root::On, true).decide(1, None));
    }

    #[test]
    fn share_of_traces_is_the_ratio() {
        let recorded = |share| {
            let ids = (0..10_000_u128).map(|number| number * (u128::MAX / 10_000));
            let sampling = Sampling {
                root: Root::Ratio(share),
                follows_caller: false,
            };
            ids.filter(|id| sampling.decide(*id, None)).count()
        };
        assert_eq!((recorded(0.0), recorded(1.0)), (0, 10_000));
        assert!(
            (2_400..2_600).contains(&recorded(0.25)),
            "{}",
            recorded(0.25)
        );
    }
}
