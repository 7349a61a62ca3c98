//! Which unit in force an address names, and which old ward it was written as.
//!
//! A district, or an old province, says that the old units are meant; else those of today are. An
//! old ward is certain only with its district, for names and numbers repeat. What is left with two
//! answers has none: a person, or the buyer, decides.

use super::mentions::{Mention, Mentions, Part, Role};
use super::units::{Kind, Named, OldDistrict, OldWard, Unit, overlap, unit};
use super::words::Word;
use super::{Confidence, LegacyProvince};

/// What was found below the province.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Found {
    /// The unit in force.
    pub(super) unit: Option<(&'static Unit, Confidence)>,
    /// The old district, if it is certain.
    pub(super) district: Option<&'static OldDistrict>,
    /// The old ward, if it is certain.
    pub(super) ward: Option<&'static OldWard>,
}

/// Chooses among what the parts name within one province.
pub(super) fn choose(
    parts: &[Part],
    mentions: &Mentions,
    from_legacy: Option<&'static LegacyProvince>,
) -> Found {
    let districts = districts(&mentions.districts, from_legacy);
    let district = match districts.as_slice() {
        [one] => Some(*one),
        _ => None,
    };
    let nothing = Found {
        district,
        ..Found::default()
    };
    if districts.is_empty() && mentions.unknown_district {
        return nothing;
    }
    let chooser = Chooser {
        districts: &districts,
        from_legacy,
    };
    let answers: Vec<Answer> = if mentions.wards.is_empty() {
        let bare = mentions.bare.iter();
        bare.filter(|mention| may_be_a_ward(parts, mentions, mention))
            .map(|mention| chooser.bare(mention))
            .collect()
    } else {
        let wards = mentions.wards.iter();
        wards.map(|mention| chooser.typed(mention)).collect()
    };
    if answers.is_empty() {
        // An island district had no wards.
        let whole = district
            .filter(|_| mentions.districts.iter().any(|mention| mention.typed))
            .and_then(|district| unit(district.became?));
        return Found {
            unit: whole.map(|unit| (unit, Confidence::Exact)),
            ..nothing
        };
    }
    let unit = agree(&answers);
    let ward = answers
        .iter()
        .filter_map(|answer| answer.old)
        .find(|old| unit.is_some_and(|(unit, _)| old.became().any(|into| into == unit)));
    Found {
        unit,
        district: district.or_else(|| ward.map(OldWard::district)),
        ward,
    }
}

/// The districts that are meant: what is left when each mention is read as narrowly as it can be.
fn districts(
    mentions: &[Mention],
    from_legacy: Option<&'static LegacyProvince>,
) -> Vec<&'static OldDistrict> {
    let mut meant: Vec<&'static OldDistrict> = Vec::new();
    for mention in mentions {
        for district in of_one(mention, from_legacy) {
            if !meant.contains(&district) {
                meant.push(district);
            }
        }
    }
    meant
}

/// The districts that one mention may stand for.
pub(super) fn of_one(
    mention: &Mention,
    from_legacy: Option<&'static LegacyProvince>,
) -> Vec<&'static OldDistrict> {
    let in_legacy = |district: &OldDistrict| {
        from_legacy.is_none_or(|legacy| district.province.code == legacy.code)
    };
    let pick = |current: bool| -> Vec<&'static OldDistrict> {
        let picked = mention.candidates.iter().filter_map(|meant| match meant {
            Named::District(district) if current => Some(*district),
            Named::FormerDistrict(district) if !current => Some(*district),
            _ => None,
        });
        picked.filter(|district| in_legacy(district)).collect()
    };
    let mut found = pick(true);
    // Thị xã Kỳ Anh and Huyện Kỳ Anh are two.
    let same_kind: Vec<_> = found
        .iter()
        .copied()
        .filter(|district| Some(district.kind) == mention.kind)
        .collect();
    if !same_kind.is_empty() {
        found = same_kind;
    }
    if found.is_empty() || !mention.marked {
        found.extend(pick(false));
    }
    found
}

/// What one mention of a ward comes to.
#[derive(Debug)]
struct Answer {
    unit: Option<(&'static Unit, Confidence)>,
    old: Option<&'static OldWard>,
    /// All units that it may mean.
    possible: Vec<&'static Unit>,
}

impl Answer {
    fn undecided(possible: Vec<&'static Unit>) -> Self {
        Self {
            unit: None,
            old: None,
            possible,
        }
    }

    fn old(ward: &'static OldWard, sure: Confidence) -> Self {
        let possible: Vec<&'static Unit> = ward.became().collect();
        let confidence = if possible.len() > 1 {
            Confidence::Default
        } else {
            sure
        };
        Self {
            unit: possible.first().map(|unit| (*unit, confidence)),
            old: Some(ward),
            possible,
        }
    }

    fn now(unit: &'static Unit, confidence: Confidence) -> Self {
        Self {
            unit: Some((unit, confidence)),
            old: None,
            possible: vec![unit],
        }
    }
}

/// All mentions must lead to one unit. A divided ward's default gives way to one of its other
/// successors, if the address names that too.
fn agree(answers: &[Answer]) -> Option<(&'static Unit, Confidence)> {
    let best = answers
        .iter()
        .filter_map(|answer| answer.unit)
        .min_by_key(|(_, confidence)| *confidence)?;
    answers
        .iter()
        .all(|answer| match answer.unit {
            Some((unit, confidence)) if confidence != Confidence::Default => unit == best.0,
            Some(_) | None => answer.possible.contains(&best.0),
        })
        .then_some(best)
}

struct Chooser<'a> {
    districts: &'a [&'static OldDistrict],
    from_legacy: Option<&'static LegacyProvince>,
}

/// What a mention may stand for, sorted.
#[derive(Default)]
struct Candidates {
    now: Vec<&'static Unit>,
    old: Vec<&'static OldWard>,
    former: Vec<&'static OldWard>,
}

impl Chooser<'_> {
    fn candidates(&self, mention: &Mention) -> Candidates {
        let mut found = Candidates::default();
        for meant in &mention.candidates {
            match *meant {
                Named::Unit(unit) => found.now.push(unit),
                Named::Ward(ward) if self.has(ward) => found.old.push(ward),
                Named::FormerWard(ward) if self.has(ward) => found.former.push(ward),
                Named::Ward(_)
                | Named::FormerWard(_)
                | Named::District(_)
                | Named::FormerDistrict(_) => {}
            }
        }
        if !self.districts.is_empty() {
            let near = |unit: &&Unit| self.districts.iter().any(|near| overlap(near, unit));
            found.now.retain(near);
        }
        found
    }

    /// Whether the rest of the address allows this old ward.
    fn has(&self, ward: &OldWard) -> bool {
        let district = ward.district();
        if self.districts.is_empty() {
            let legacy = self.from_legacy;
            legacy.is_none_or(|legacy| legacy.code == district.province.code)
        } else {
            self.districts.contains(&district)
        }
    }

    fn typed(&self, mention: &Mention) -> Answer {
        let mut found = self.candidates(mention);
        let possible = possible(&found);
        if !mention.marked && differs(&found) {
            return Answer::undecided(possible);
        }
        let kind = mention.kind;
        found.old = of_kind(found.old, kind, |ward| ward.kind);
        if !self.districts.is_empty() || (self.from_legacy.is_some() && !found.old.is_empty()) {
            return self.written_old(&found, mention, possible);
        }
        match (found.now.as_slice(), found.old.as_slice()) {
            ([now], old) => {
                let stays = old.iter().all(|ward| leads_only_to(ward, now));
                let same_kind = kind.is_none_or(|kind| kind == now.kind);
                if same_kind && stays {
                    Answer::now(now, Confidence::Exact)
                } else if same_kind || stays || old.iter().all(|ward| Some(ward.kind) != kind) {
                    Answer::now(now, Confidence::Likely)
                } else {
                    // Xã Tân Thành where there is a Phường Tân Thành now: the old one, perhaps.
                    Answer::undecided(possible)
                }
            }
            ([], [old]) => Answer::old(old, Confidence::Likely),
            ([], _) | ([_, _, ..], _) => Answer::undecided(possible),
        }
    }

    fn written_old(
        &self,
        found: &Candidates,
        mention: &Mention,
        possible: Vec<&'static Unit>,
    ) -> Answer {
        let sure = if self.districts.len() == 1 {
            Confidence::Exact
        } else {
            Confidence::Likely
        };
        match (found.old.as_slice(), found.former.as_slice()) {
            ([old], []) => Answer::old(old, sure),
            ([old], _) if mention.marked || number(old.name) => Answer::old(old, sure),
            ([], [former]) if !self.districts.is_empty() && found.now.is_empty() => {
                Answer::old(former, Confidence::Likely)
            }
            ([], []) => match found.now.as_slice() {
                [now] => Answer::now(now, Confidence::Likely),
                _ => Answer::undecided(possible),
            },
            (old, former) => {
                let mut all = old.iter().chain(former);
                let Some(first) = all.next().and_then(|ward| ward.became().next()) else {
                    return Answer::undecided(possible);
                };
                let one = possible.iter().all(|unit| *unit == first);
                if one {
                    Answer::now(first, Confidence::Likely)
                } else {
                    Answer::undecided(possible)
                }
            }
        }
    }

    /// A name without a type, in a place where a ward stands.
    fn bare(&self, mention: &Mention) -> Answer {
        let found = self.candidates(mention);
        let possible = possible(&found);
        let Some(first) = possible.first() else {
            return Answer::undecided(possible);
        };
        match (found.old.as_slice(), self.districts) {
            ([old], [_]) if found.former.is_empty() => Answer::old(old, Confidence::Likely),
            ([] | [_], []) if possible.len() == 1 && !found.now.is_empty() => {
                Answer::now(first, Confidence::Likely)
            }
            _ => Answer::undecided(possible),
        }
    }
}

/// Every unit that something of these leads to.
fn possible(found: &Candidates) -> Vec<&'static Unit> {
    let old = found.old.iter().chain(&found.former);
    let mut units: Vec<&'static Unit> = Vec::new();
    for unit in found
        .now
        .iter()
        .copied()
        .chain(old.flat_map(|ward| ward.became()))
    {
        if !units.contains(&unit) {
            units.push(unit);
        }
    }
    units
}

/// Without marks, names that differ by them only cannot be told apart: none may be taken unless all
/// lead to one unit.
fn differs(found: &Candidates) -> bool {
    let mut names = found.now.iter().map(|unit| unit.name);
    let mut old = found.old.iter().map(|ward| ward.name);
    let Some(first) = names.next().or_else(|| old.next()) else {
        return false;
    };
    let another = names.chain(old).any(|name| name != first) || !found.former.is_empty();
    another && !number(first) && possible(found).len() > 1
}

fn number(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_digit())
}

fn leads_only_to(ward: &OldWard, unit: &Unit) -> bool {
    ward.became().all(|into| into == unit)
}

/// Those of the written type, if there are any: types changed, names stayed.
fn of_kind<T: Copy>(all: Vec<T>, kind: Option<Kind>, of: impl Fn(T) -> Kind) -> Vec<T> {
    let same: Vec<T> = all
        .iter()
        .copied()
        .filter(|one| Some(of(*one)) == kind)
        .collect();
    if same.is_empty() { all } else { same }
}

/// A name alone is taken for a ward only after a part that begins with a house number and goes on
/// with a street: streets are called like wards.
fn may_be_a_ward(parts: &[Part], mentions: &Mentions, mention: &Mention) -> bool {
    let Some(before) = mention.part.checked_sub(1).map(|at| &parts[at]) else {
        return false;
    };
    let number = before.words.iter().take_while(|word| {
        word.begins_with_digit() || matches!(&*word.folded, "so" | "nha" | "sn")
    });
    let street = &before.words[number.count()..];
    let numbered = before.words.iter().any(Word::begins_with_digit);
    let is_street = street.len() > 1
        && street.len() < before.words.len()
        && !NOT_A_STREET.contains(&&*street[0].folded);
    let is_last_name = mentions.bare.iter().all(|other| other.part <= mention.part);
    before.role == Role::Text && numbered && is_street && is_last_name
}

/// Folded words that begin a place within a street, so that the street is still to come.
const NOT_A_STREET: [&str; 9] = [
    "ngo", "hem", "ngach", "kiet", "toa", "to", "khu", "lo", "block",
];
