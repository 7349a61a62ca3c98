//! The province and what is below it, together: a district may be all that tells the province, and
//! one of another province contradicts it.

use super::mentions::{Mention, Part, mentions};
use super::units::{Kind, Named, OldDistrict};
use super::ward::{Found, choose};
use super::{Confidence, LegacyProvince, Match, Province, parse_province, provinces};
use crate::text::fold;

/// An address, located.
#[derive(Debug)]
pub(super) struct Located {
    pub(super) province: Match,
    /// Of the province, where it is certain.
    pub(super) confidence: Confidence,
    pub(super) below: Found,
}

impl Located {
    pub(super) fn undecided(province: Match) -> Self {
        Self {
            province,
            confidence: Confidence::Exact,
            below: Found::default(),
        }
    }
}

/// Finds district and ward below the province that is written, or the province from the district.
pub(super) fn locate(parts: &[Part], written: Match) -> Located {
    match written {
        Match::Exact {
            province,
            from_legacy,
        } => {
            let found = mentions(parts, Some(province));
            if found.unknown_district
                && let Some(other) = contradicted_by(parts, province)
            {
                return Located::undecided(Match::Ambiguous(vec![province, other]));
            }
            Located {
                below: choose(parts, &found, from_legacy),
                province: written,
                confidence: Confidence::Exact,
            }
        }
        Match::Unknown => conclude(parts, &[]).unwrap_or_else(|| Located::undecided(written)),
        Match::Ambiguous(ref candidates) => {
            conclude(parts, candidates).unwrap_or_else(|| Located::undecided(written))
        }
    }
}

/// Another province, which alone has the district that is written.
fn contradicted_by(parts: &[Part], province: &'static Province) -> Option<&'static Province> {
    let country = mentions(parts, None);
    country
        .districts
        .iter()
        .filter(|mention| mention.typed)
        .filter_map(|mention| only(mention, |written, of| written == of))
        .map(|district| district.province.current)
        .find(|other| *other != province)
}

/// The province from a district that only one has, among the candidates if there are any.
fn conclude(parts: &[Part], candidates: &[&'static Province]) -> Option<Located> {
    let country = mentions(parts, None);
    let (typed, bare): (Vec<&Mention>, Vec<&Mention>) =
        country.districts.iter().partition(|mention| mention.typed);
    let deciding = if typed.is_empty() { &bare } else { &typed };
    let mut district: Option<&'static OldDistrict> = None;
    for mention in deciding {
        let found = only(mention, may_be_called)?;
        if district.is_some_and(|before| before.province.current != found.province.current) {
            return None;
        }
        district = Some(found);
    }
    let district = district?;
    let province = district.province.current;
    if !candidates.is_empty() && !candidates.contains(&province) {
        return None;
    }
    let found = mentions(parts, Some(province));
    let below = choose(parts, &found, None);
    // A name without its type could be anything, unless it has the ward that is written; Thạnh Hóa
    // without its marks is a province's name.
    let is_certain = !typed.is_empty()
        || (below.unit.is_some()
            && !found.wards.is_empty()
            && parse_province(&fold(district.name)) == Match::Unknown);
    if !is_certain {
        return None;
    }
    Some(Located {
        province: Match::Exact {
            province,
            from_legacy: gone(district.province),
        },
        confidence: Confidence::Likely,
        below,
    })
}

/// The only district of the country that the mention can stand for.
fn only(mention: &Mention, allows: impl Fn(Kind, Kind) -> bool) -> Option<&'static OldDistrict> {
    let mut found = mention.candidates.iter().filter_map(|meant| match meant {
        Named::District(district) => Some(*district),
        // Quận 2 and Quận 9; other former names are too little known.
        Named::FormerDistrict(district) if mention.kind == Some(Kind::UrbanDistrict) => {
            Some(*district)
        }
        _ => None,
    });
    let district = found.next().filter(|_| found.next().is_none())?;
    mention
        .kind
        .is_none_or(|kind| allows(kind, district.kind))
        .then_some(district)
}

/// Districts became towns and cities, never the other way round.
fn may_be_called(written: Kind, of: Kind) -> bool {
    let rank = |kind| match kind {
        Kind::Town => 1,
        Kind::City | Kind::UrbanDistrict => 2,
        Kind::RuralDistrict | Kind::Ward | Kind::Commune | Kind::Township | Kind::SpecialZone => 0,
    };
    rank(written) <= rank(of)
}

/// The old province, if its name is gone.
fn gone(legacy: &'static LegacyProvince) -> Option<&'static LegacyProvince> {
    let survives = provinces().iter().any(|now| now.name == legacy.name);
    (!survives).then_some(legacy)
}
