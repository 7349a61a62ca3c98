//! A loaded rule file: its rules in order with the default last, their index and their tests.

use jiff::Timestamp;

use super::condition::{Subject, all_hold, first_failure};
use super::index::Index;
use super::tests_in_file::{InFileTest, TestFailure};
use super::{Locations, RoutingOrder, Rule};

/// The rules in force, or a draft of them.
#[derive(Debug, Clone)]
pub struct RuleSet {
    /// The start of the SHA-256 of its content.
    version: String,
    author: Option<String>,
    active_from: Option<Timestamp>,
    max_rounds: u32,
    rules: Vec<Rule>,
    index: Index,
    tests: Vec<InFileTest>,
}

/// What stands in the head of a rule file.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub version: String,
    pub author: Option<String>,
    pub active_from: Option<Timestamp>,
    pub max_rounds: u32,
}

impl RuleSet {
    /// `rules` end with the default, which has no conditions.
    pub(super) fn new(head: Head, rules: Vec<Rule>, tests: Vec<InFileTest>) -> Self {
        let Head {
            version,
            author,
            active_from,
            max_rounds,
        } = head;
        Self {
            version,
            author,
            active_from,
            max_rounds,
            index: Index::new(&rules),
            rules,
            tests,
        }
    }

    /// The version: the first 16 hexadecimal digits of the SHA-256 of the file's content.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Who wrote it, if the file says so.
    #[must_use]
    pub fn author(&self) -> Option<&str> {
        self.author.as_deref()
    }

    /// From when it is meant to be in force; `None` for at once.
    #[must_use]
    pub fn active_from(&self) -> Option<Timestamp> {
        self.active_from
    }

    /// After how many rejections only Hubs are asked; one more and a person must look.
    #[must_use]
    pub fn max_rounds(&self) -> u32 {
        self.max_rounds
    }

    /// All rules in order, the default last.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// For every rule, in order, the path of the first condition that fails for this order; `None`
    /// for a rule that matches. It walks all rules: it is for explanations, not for decisions.
    #[must_use]
    pub fn first_failures(&self, order: &RoutingOrder) -> Vec<(&str, Option<String>)> {
        let subject = Subject::of(order);
        self.rules
            .iter()
            .map(|rule| (rule.name.as_str(), first_failure(&rule.when, subject)))
            .collect()
    }

    /// The first rule that matches the order.
    #[must_use]
    pub fn matching(&self, order: &RoutingOrder) -> &Rule {
        let subject = Subject::of(order);
        let place = self
            .candidates(subject)
            .into_iter()
            .find(|&place| all_hold(&self.rules[place].when, subject));
        place
            .map(|place| &self.rules[place])
            .expect("invariant: the default has no conditions")
    }

    /// Runs the tests that stand in the file.
    #[must_use]
    pub fn run_tests(&self, locations: &Locations) -> Vec<TestFailure> {
        self.tests
            .iter()
            .filter_map(|test| test.run(self, locations).err())
            .collect()
    }

    /// How many tests stand in the file.
    #[must_use]
    pub fn test_count(&self) -> usize {
        self.tests.len()
    }

    pub(super) fn candidates(&self, subject: Subject<'_>) -> Vec<usize> {
        self.index.candidates(subject)
    }
}
