//! The filters and sort orders of the list of orders.

use domain::string_enum;

string_enum! {
    /// The sort order of the list of orders. Orders of one time are sorted by their id.
    OrderSort {
        NewestFirst => "-created_at",
        OldestFirst => "created_at",
        LatestChangeFirst => "-updated_at",
        EarliestChangeFirst => "updated_at",
    }
}

string_enum! {
    /// The reason why an order needs a person.
    OrderAttention {
        /// The order waits for a reviewer.
        Review => "review",
        /// The order makes no progress, and no wait explains it.
        Stalled => "stalled",
        /// The work list has an entry about the order's money.
        Money => "money",
        /// The order is held before dispatch.
        Hold => "hold",
    }
}

#[expect(
    clippy::derivable_impls,
    reason = "the macro that defines the enum derives no default"
)]
impl Default for OrderSort {
    fn default() -> Self {
        Self::NewestFirst
    }
}

impl OrderSort {
    /// Returns whether the list is sorted by the last change of each order.
    pub const fn is_by_change(self) -> bool {
        match self {
            Self::LatestChangeFirst | Self::EarliestChangeFirst => true,
            Self::NewestFirst | Self::OldestFirst => false,
        }
    }

    pub const fn is_descending(self) -> bool {
        match self {
            Self::NewestFirst | Self::LatestChangeFirst => true,
            Self::OldestFirst | Self::EarliestChangeFirst => false,
        }
    }
}
