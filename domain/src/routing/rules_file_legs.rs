//! Reading `legs`: what follows an order besides the goods.

use toml::Spanned;
use toml::de::DeValue;

use super::decision::{Legs, Moment, ServiceLeg};
use super::read::{Table, choose, text, wrong_type};
use super::rules_file::Reader;

impl Reader<'_, '_> {
    pub(super) fn legs(&mut self, mut table: Table<'_>) -> Legs {
        use Moment::{OnAllocation, OnDelivery, OnInstallation, OnPacking, OnPayment, OnShipment};
        let before = self.problems.count();
        let installation = self.leg(
            &mut table,
            "installation",
            "service_center",
            Short::Target,
            &[OnDelivery, OnShipment],
        );
        let warranty_moments: &[Moment] = if installation.is_some() {
            &[OnInstallation, OnDelivery]
        } else {
            &[OnDelivery, OnInstallation]
        };
        let invoice = if table.has("invoice") {
            self.leg(
                &mut table,
                "invoice",
                "invoicing",
                Short::Moment,
                &[OnDelivery, OnShipment, OnPayment],
            )
        } else {
            table.take("invoice");
            Legs::default().invoice
        };
        let warranty = self.leg(
            &mut table,
            "warranty",
            "service_center",
            Short::Moment,
            warranty_moments,
        );
        let waits = warranty
            .as_ref()
            .is_some_and(|leg| leg.when == OnInstallation);
        if waits && installation.is_none() && self.problems.count() == before {
            self.problems.add(
                table.span(),
                "the warranty waits for an installation that the rule does not order",
            );
        }
        let carrier = self.leg(
            &mut table,
            "carrier",
            "carrier",
            Short::Target,
            &[OnPacking, OnAllocation],
        );
        let notify = self.leg(
            &mut table,
            "notify",
            "notify",
            Short::Target,
            &[OnShipment, OnAllocation, OnDelivery],
        );
        table.finish(&mut self.problems);
        Legs {
            invoice,
            installation,
            warranty,
            carrier,
            notify,
        }
    }

    /// One leg: `{ target, when }`, `true`, `false`, or a word. The first of `moments` is meant
    /// where none is given.
    fn leg(
        &mut self,
        legs: &mut Table<'_>,
        key: &'static str,
        kind: &str,
        short: Short,
        moments: &[Moment],
    ) -> Option<ServiceLeg> {
        let value = legs.take(key)?;
        let usual = moments[0];
        match value.get_ref() {
            DeValue::Boolean(wanted) => wanted.then_some(ServiceLeg {
                target: None,
                when: usual,
            }),
            DeValue::String(word) if word == "none" => None,
            DeValue::String(_) => {
                let word = text(value, key, &mut self.problems)?;
                match short {
                    Short::Moment => self
                        .moment(&word, moments)
                        .map(|when| ServiceLeg { target: None, when }),
                    Short::Target => self.target(word, kind).map(|target| ServiceLeg {
                        target: Some(target),
                        when: usual,
                    }),
                }
            }
            DeValue::Table(_) => {
                let mut table = Table::of(value, key, &mut self.problems)?;
                let target = table
                    .text("target", &mut self.problems)
                    .and_then(|target| self.target(target, kind));
                let when = table
                    .text("when", &mut self.problems)
                    .map(|word| self.moment(&word, moments));
                table.finish(&mut self.problems);
                Some(ServiceLeg {
                    target,
                    when: when.unwrap_or(Some(usual))?,
                })
            }
            other => {
                wrong_type(
                    value.span(),
                    key,
                    "a table { target, when }, a word, true or false",
                    other,
                    &mut self.problems,
                );
                None
            }
        }
    }

    fn moment(&mut self, word: &Spanned<String>, moments: &[Moment]) -> Option<Moment> {
        let names: Vec<(&'static str, Moment)> = moments
            .iter()
            .map(|moment| (moment.as_str(), *moment))
            .collect();
        choose(word, "moment for this leg", &names, &mut self.problems)
    }

    fn target(&mut self, target: Spanned<String>, kind: &str) -> Option<String> {
        let known = &self.context.targets;
        let span = target.span();
        match known.get(target.get_ref()) {
            _ if known.is_empty() => {}
            Some(found) if found == kind => {}
            Some(found) => {
                let message = format!(
                    "target `{}` is of kind `{found}`; this leg needs `{kind}`",
                    target.get_ref()
                );
                self.problems.add(span, message);
                return None;
            }
            None => {
                let fitting = known
                    .iter()
                    .filter(|(_, of)| *of == kind)
                    .map(|(id, _)| id.as_str());
                self.problems
                    .unknown(span, "target", target.get_ref(), fitting);
                return None;
            }
        }
        Some(target.into_inner())
    }
}

/// What a leg's short form is: `installation = "technical-south"`, `invoice = "on_delivery"`.
#[derive(Clone, Copy)]
enum Short {
    Target,
    Moment,
}
