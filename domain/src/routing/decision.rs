//! The recorded outcome of routing, with every fact that an explanation or a replay needs.
//!
//! All of it is stored as JSON. Enums are externally tagged on purpose: buffered (internally
//! tagged or untagged) enums cannot read numbers back while `serde_json` keeps arbitrary precision.
//!
//! The trace keeps the rules whose discrete conditions fitted the order and the candidates of each
//! source that was tried. Rules that the index ruled out are not listed, so that a decision does
//! not grow with the rule file; the stored version and order give their failures back
//! ([`super::RuleSet::first_failures`]).

use serde::{Deserialize, Serialize};

use super::SortKey;

/// What routing decided for an order, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Name of the rule that decided.
    pub rule: String,
    /// Version of the rule set: the start of its content's SHA-256.
    pub rules_version: String,
    /// Where the goods come from, or why they do not.
    pub outcome: Outcome,
    /// What follows besides the goods.
    pub legs: Legs,
    /// Tags to put on the order: the rule's, and `alarm:…` ones.
    pub tags: Vec<String>,
    /// Order of work at the location, higher first; 0 unless the rule says otherwise.
    pub priority: i32,
    /// Gifts that the rule adds.
    pub gifts: Vec<Gift>,
    /// The store that the goods must be moved to, for a pick-up that another location fills.
    pub transfer_to_store: Option<String>,
    /// When the last of the chosen locations hands over to the carrier.
    pub dispatch_by: Option<jiff::Timestamp>,
    /// Whether the promise can be kept; `None` if nothing was promised or nothing is allocated.
    pub promise_met: Option<bool>,
    /// How it came to this.
    pub trace: Trace,
}

impl Decision {
    /// The locations that send something, each once, in the order of their allocations.
    #[must_use]
    pub fn locations(&self) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for allocation in self.outcome.allocations() {
            if !found.contains(&allocation.location.as_str()) {
                found.push(&allocation.location);
            }
        }
        found
    }
}

/// What becomes of the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every line has its location.
    Allocated {
        /// Exactly one per line.
        allocations: Vec<Allocation>,
        /// How many locations send something.
        parcels: u32,
    },
    /// The marketplace sends it from a warehouse of its own: there is nothing for us to reserve.
    Marketplace,
    /// A person must look.
    Hold {
        /// A short code, `no-stock`.
        reason: String,
    },
    /// Wait for stock, then route again.
    Backorder {
        /// A short code.
        reason: String,
    },
    /// The order cannot be done.
    Cancel {
        /// A short code.
        reason: String,
    },
}

impl Outcome {
    /// The allocations; empty unless the outcome is [`Outcome::Allocated`].
    #[must_use]
    pub fn allocations(&self) -> &[Allocation] {
        match self {
            Self::Allocated { allocations, .. } => allocations,
            Self::Marketplace
            | Self::Hold { .. }
            | Self::Backorder { .. }
            | Self::Cancel { .. } => &[],
        }
    }

    /// The word for it in rule tests: `allocated, marketplace, hold, backorder, cancel`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Allocated { .. } => "allocated",
            Self::Marketplace => "marketplace",
            Self::Hold { .. } => "hold",
            Self::Backorder { .. } => "backorder",
            Self::Cancel { .. } => "cancel",
        }
    }

    /// The reason, where there is one.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Hold { reason } | Self::Backorder { reason } | Self::Cancel { reason } => {
                Some(reason)
            }
            Self::Allocated { .. } | Self::Marketplace => None,
        }
    }
}

/// One line, whole, at one location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allocation {
    /// The order's line.
    pub line_id: String,
    /// The line's SKU.
    pub sku: String,
    /// The line's quantity.
    pub quantity: u32,
    /// The chosen location.
    pub location: String,
    /// For a kit, what to reserve instead of the SKU itself; empty for plain goods.
    pub components: Vec<Component>,
}

impl Allocation {
    /// What to reserve at the location: (SKU, pieces).
    pub fn demand(&self) -> impl Iterator<Item = (&str, i64)> {
        let plain = self
            .components
            .is_empty()
            .then(|| (self.sku.as_str(), i64::from(self.quantity)));
        plain.into_iter().chain(
            self.components
                .iter()
                .map(|part| (part.sku.as_str(), part.quantity)),
        )
    }
}

/// A component of an allocated kit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Component {
    /// The component's SKU.
    pub sku: String,
    /// Pieces for all kits of the line together.
    pub quantity: i64,
}

/// A gift that the rule adds, taken from one of the order's own parcels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gift {
    /// The gift's SKU.
    pub sku: String,
    /// How many.
    pub quantity: u32,
    /// The location that adds it; `None` if no location of the order has it left. A gift never
    /// makes a parcel of its own and never holds an order.
    pub location: Option<String>,
}

/// What follows besides the goods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Legs {
    /// When to invoice; `None` for no invoice from us.
    pub invoice: Option<ServiceLeg>,
    /// Installation by a technical team.
    pub installation: Option<ServiceLeg>,
    /// Activation of the warranty.
    pub warranty: Option<ServiceLeg>,
    /// A carrier booking.
    pub carrier: Option<ServiceLeg>,
    /// A message to the buyer.
    pub notify: Option<ServiceLeg>,
}

impl Default for Legs {
    /// An invoice on delivery and nothing else.
    fn default() -> Self {
        Self {
            invoice: Some(ServiceLeg {
                target: None,
                when: Moment::OnDelivery,
            }),
            installation: None,
            warranty: None,
            carrier: None,
            notify: None,
        }
    }
}

impl Legs {
    /// The legs that are wanted, by name, in a fixed order.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let all = [
            ("invoice", self.invoice.is_some()),
            ("installation", self.installation.is_some()),
            ("warranty", self.warranty.is_some()),
            ("carrier", self.carrier.is_some()),
            ("notify", self.notify.is_some()),
        ];
        all.into_iter()
            .filter(|(_, wanted)| *wanted)
            .map(|(name, _)| name)
            .collect()
    }
}

/// One leg: what calls whom, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceLeg {
    /// The target to call; `None` for the only target of the fitting kind.
    pub target: Option<String>,
    /// The moment that releases it.
    pub when: Moment,
}

/// The moment that releases a leg.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// When the order is allocated.
    OnAllocation,
    /// When it is paid.
    OnPayment,
    /// When the location has packed it.
    OnPacking,
    /// When it leaves the location.
    OnShipment,
    /// When the buyer has it.
    OnDelivery,
    /// When it is installed.
    OnInstallation,
}

impl Moment {
    /// All moments, in the order in which they come.
    pub const ALL: [Self; 6] = [
        Self::OnAllocation,
        Self::OnPayment,
        Self::OnPacking,
        Self::OnShipment,
        Self::OnDelivery,
        Self::OnInstallation,
    ];

    /// The word used in rules.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnAllocation => "on_allocation",
            Self::OnPayment => "on_payment",
            Self::OnPacking => "on_packing",
            Self::OnShipment => "on_shipment",
            Self::OnDelivery => "on_delivery",
            Self::OnInstallation => "on_installation",
        }
    }
}

/// How a decision came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The moment of the decision: what `open_now`, cut-offs and the day's load referred to.
    pub now: jiff::Timestamp,
    /// Which routing of this order it was: 0 at first.
    pub round: u32,
    /// The region that the rules saw.
    pub region: Option<super::Region>,
    /// Where distances were measured from.
    pub measured_from: MeasuredFrom,
    /// The rules looked at closely, in order; the last is the one that decided.
    pub rules: Vec<RuleTrial>,
}

/// Where distances were measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeasuredFrom {
    /// The order's own position.
    Position,
    /// The centre of its ward or commune.
    WardCentre,
    /// The seat of its province.
    ProvinceCentre,
    /// Nowhere: all distances count as unknown.
    Unknown,
}

/// One rule that was looked at closely.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleTrial {
    /// The rule's name.
    pub rule: String,
    /// Its place in the file, from 0; the default comes after the last.
    pub place: u32,
    /// What came of it.
    pub result: TrialResult,
    /// The sources tried, in order.
    pub sources: Vec<SourceTrial>,
}

/// What came of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TrialResult {
    /// A condition did not hold.
    Unmatched {
        /// The first that failed, as a path in the file: `when.any_line.category`.
        condition: String,
    },
    /// It matched, could not place the lines, and passed on (`next_rule`).
    PassedOn,
    /// It decided.
    Decided,
}

/// One search through the candidates of a source (or of all sources together).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTrial {
    /// Which source of the rule, from 0; `None` where all sources were searched together, the
    /// location was fixed, or only Hubs were left to ask.
    pub source: Option<u32>,
    /// How it was searched.
    pub method: Method,
    /// Combinations of locations that were looked at.
    pub combinations: u32,
    /// The candidates: the eligible in the order of preference, then the refused by id. Empty
    /// where an earlier trial lists them.
    pub candidates: Vec<Candidate>,
    /// The locations chosen, best first; empty if the lines could not be placed.
    pub chosen: Vec<String>,
}

/// How the candidates were searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// One location for everything.
    Single,
    /// Every combination within the bound was compared.
    Exact,
    /// Too many combinations: the location that covers most first, and so on.
    Greedy,
    /// The location was fixed; it was only checked.
    Fixed,
    /// The order was rejected too often: one Hub for everything.
    HubsOnly,
}

/// A location that the source's filter let through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The location.
    pub location: String,
    /// Metres from the order, if both positions are known.
    pub distance_m: Option<u32>,
    /// Lines that it could send in full, all other things being equal.
    pub covers: u32,
    /// Why it is out; `None` if it is eligible.
    pub refused: Option<Refusal>,
    /// Its sort values, in the source's order, smaller first; empty for a refused location.
    pub sort: Vec<SortValue>,
}

/// One sort value of a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SortValue {
    /// The key.
    pub key: SortKey,
    /// Its value; smaller is better for every key.
    pub value: i64,
}

/// Why a location cannot send the goods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The first check that failed.
    pub reason: Reason,
    /// The SKU that was short, for [`Reason::NoSku`] and [`Reason::NotEnough`].
    pub sku: Option<String>,
    /// What was needed (pieces, or metres at most for [`Reason::TooFar`], or orders a day).
    pub wanted: Option<i64>,
    /// What there was, in the same unit.
    pub found: Option<i64>,
}

/// The code of a failed eligibility check, in the order in which they are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The location is not in the file.
    Unknown,
    /// It is switched off.
    Inactive,
    /// It does not sell online.
    NotOnline,
    /// It rejected this order before.
    RejectedBefore,
    /// It does not work for this channel.
    ChannelNotAllowed,
    /// It serves neither this province nor this distance.
    DoesNotServe,
    /// It is farther than the source's `within_km`, or its distance is unknown.
    TooFar,
    /// It lacks a service that the source asks for.
    NoService,
    /// It lacks a tag that the source asks for.
    NoTag,
    /// It is closed, and the source asks for an open one.
    Closed,
    /// It has had its orders for today.
    NoCapacity,
    /// Its cut-off comes too late for the promise.
    PastCutOff,
    /// It does not carry the SKU.
    NoSku,
    /// It has too few pieces after safety stock and `keep_back`.
    NotEnough,
}
