//! Lines of an order: which quantity and which variant belong to which code.

use super::reading::{CodeAt, Form, QuantityAt, Reading, VariantAt, VariantKind};
use super::reason::Reason;
use super::words::Meaning;
use super::{Line, live::Product};
use crate::text::fold;

/// A line and the words of its quantity.
pub(super) struct Drawn {
    pub(super) line: Line,
    pub(super) written: Option<String>,
}

/// Lines for the codes of the comment, or for the pinned product if it has none. What is not certain is
/// added to the doubts.
pub(super) fn draw(reading: &mut Reading<'_>) -> Vec<Drawn> {
    let codes = reading.codes.clone();
    if codes.is_empty() {
        return pinned(reading).into_iter().collect();
    }
    doubt_alternatives(reading, &codes);
    let quantities = assign_quantities(reading, &codes);
    let variants = assign_variants(reading, &codes);
    let mut lines = Vec::new();
    for ((code, quantity), variants) in codes.iter().zip(quantities).zip(variants) {
        let Some(product) = reading.live.products.get(&code.code) else {
            continue;
        };
        let drawn = line(reading, &code.code, product, quantity, &variants);
        let known = lines.iter().any(|known: &Drawn| known.line == drawn.line);
        // A code that is only repeated is one line; staff see that it was.
        if !known {
            lines.push(drawn);
        }
    }
    lines
}

fn pinned(reading: &mut Reading<'_>) -> Option<Drawn> {
    let code = reading.live.pinned_code()?;
    let product = reading.live.products.get(code)?;
    reading.doubt(Reason::PinnedTaken {
        product: code.to_owned(),
    });
    if reading.quantities.len() > 1 {
        reading.doubt(Reason::QuantityUnclear);
    }
    let quantity = reading.quantities.first().cloned();
    let variants = reading.variants.clone();
    Some(line(reading, code, product, quantity, &variants))
}

fn line(
    reading: &mut Reading<'_>,
    code: &str,
    product: &Product,
    quantity: Option<QuantityAt>,
    variants: &[VariantAt],
) -> Drawn {
    let limit = reading.live.quantity_limit;
    let pieces = quantity.as_ref().map_or(1, |quantity| quantity.value);
    if !(1..=limit).contains(&pieces) {
        reading.doubt(Reason::QuantityOutOfRange {
            product: code.to_owned(),
            quantity: pieces,
            limit,
        });
    }
    let variant = variant(reading, code, product, variants);
    Drawn {
        written: quantity
            .as_ref()
            .map(|quantity| reading.written(quantity.start, quantity.end)),
        line: Line {
            code: code.to_owned(),
            sku: product.sku.clone(),
            quantity: pieces,
            variant,
            quantity_stated: quantity.is_some(),
        },
    }
}

/// `A12/B7`, `A12 > B7`.
fn doubt_alternatives(reading: &mut Reading<'_>, codes: &[CodeAt]) {
    let between = codes.windows(2).any(|pair| {
        (pair[0].end..pair[1].start).any(|at| {
            ['/', '>', '→', '|', '\\', '<', '➡']
                .iter()
                .any(|sign| reading.is_sign(at, *sign))
        })
    });
    // `A1-A3` may be a range.
    let range = codes.windows(2).any(|pair| {
        pair[1].start == pair[0].end + 1
            && reading.is_sign(pair[0].end, '-')
            && reading.is_glued(pair[0].end)
            && reading.is_glued(pair[1].start)
    });
    if between || range {
        reading.doubt(Reason::CodesAlternative);
    }
}

/// One quantity for every code. Several codes are certain only when all of them have a quantity on the
/// same side, or none has one.
fn assign_quantities(reading: &mut Reading<'_>, codes: &[CodeAt]) -> Vec<Option<QuantityAt>> {
    let (each, single): (Vec<_>, Vec<_>) = reading
        .quantities
        .iter()
        .cloned()
        .partition(|quantity| quantity.form == Form::Each);
    if let Some(first) = each.first() {
        if each.len() > 1 || !single.is_empty() {
            reading.doubt(Reason::QuantityUnclear);
        }
        return vec![Some(first.clone()); codes.len()];
    }
    if let [code] = codes {
        if single.len() > 1 {
            reading.doubt(Reason::QuantityTwice {
                product: code.code.clone(),
            });
        }
        return vec![single.into_iter().next()];
    }
    let mut assigned: Vec<Option<QuantityAt>> = vec![None; codes.len()];
    let side = side(&single, codes);
    let certain =
        side != Side::Mixed && (single.is_empty() || fits_side(reading, &single, codes, side));
    if !certain {
        reading.doubt(Reason::QuantityUnclear);
    }
    for quantity in single {
        let next = codes.partition_point(|code| code.start < quantity.start);
        let place = match (side, quantity.form) {
            (Side::Before, _) | (_, Form::Before) => next,
            (Side::Behind | Side::Mixed, _) => next.saturating_sub(1),
        };
        if let Some(slot) = assigned.get_mut(place.min(codes.len() - 1)) {
            if slot.is_some() {
                reading.doubt(Reason::QuantityUnclear);
            } else {
                *slot = Some(quantity);
            }
        }
    }
    assigned
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// `2 A12, 1 B7`
    Before,
    /// `A12 2 cái, B7 1 cái`; also where no code has a quantity.
    Behind,
    Mixed,
}

fn side(quantities: &[QuantityAt], codes: &[CodeAt]) -> Side {
    if quantities.is_empty() {
        return Side::Behind;
    }
    if quantities.len() != codes.len() {
        return Side::Mixed;
    }
    let pairs = || quantities.iter().zip(codes);
    let ordered = |places: Vec<usize>| places.windows(2).all(|pair| pair[0] < pair[1]);
    let before = ordered(pairs().flat_map(|(q, c)| [q.start, c.start]).collect());
    let behind = ordered(pairs().flat_map(|(q, c)| [c.start, q.start]).collect());
    match (before, behind) {
        (true, _) => Side::Before,
        (false, true) => Side::Behind,
        (false, false) => Side::Mixed,
    }
}

/// No comma, line end, `+` or `và` may part a quantity from its own code, and one behind its code may not
/// be written in the way that stands before.
fn fits_side(
    reading: &Reading<'_>,
    quantities: &[QuantityAt],
    codes: &[CodeAt],
    side: Side,
) -> bool {
    quantities.iter().zip(codes).all(|(quantity, code)| {
        let (from, to) = match side {
            Side::Before => (quantity.end, code.start),
            Side::Behind | Side::Mixed => (code.end, quantity.start),
        };
        let form_fits = match quantity.form {
            Form::Behind | Form::Bare => side == Side::Behind,
            Form::Before => side == Side::Before,
            Form::Counted => true,
            Form::Each => false,
        };
        let line_ends = (from..=to).any(|at| reading.tokens[at].new_line && at > from);
        form_fits && !line_ends && !(from..to).any(|at| parts(reading, at))
    })
}

fn parts(reading: &Reading<'_>, at: usize) -> bool {
    reading.says(at, Meaning::Connect)
        || [',', ';', '+', '&']
            .iter()
            .any(|sign| reading.is_sign(at, *sign))
}

/// Variants by code: with several codes each belongs to the one before it.
fn assign_variants(reading: &mut Reading<'_>, codes: &[CodeAt]) -> Vec<Vec<VariantAt>> {
    if let [_] = codes {
        return vec![reading.variants.clone()];
    }
    let mut assigned: Vec<Vec<VariantAt>> = vec![Vec::new(); codes.len()];
    let mut parted = false;
    for variant in &reading.variants {
        let next = codes.partition_point(|code| code.start < variant.start);
        let place = next.saturating_sub(1);
        parted |= next == 0
            || (codes[place].end..variant.start).any(|at| parts(reading, at))
            || reading.tokens[variant.start].new_line;
        assigned[place].push(variant.clone());
    }
    // A colour behind the last code only may be meant for all of them.
    let chosen = assigned
        .iter()
        .filter(|variants| !variants.is_empty())
        .count();
    let last_only = chosen == 1 && assigned.last().is_some_and(|variants| !variants.is_empty());
    if parted || last_only {
        reading.doubt(Reason::VariantUnclear);
    }
    assigned
}

fn variant(
    reading: &mut Reading<'_>,
    code: &str,
    product: &Product,
    written: &[VariantAt],
) -> Option<String> {
    for kind in [VariantKind::Colour, VariantKind::Size, VariantKind::Measure] {
        if written
            .iter()
            .filter(|variant| variant.kind == kind)
            .count()
            > 1
        {
            reading.doubt(Reason::VariantTwice {
                product: code.to_owned(),
            });
        }
    }
    for measure in written.iter().filter(|it| it.kind == VariantKind::Measure) {
        if contradicts(&product.name, &measure.text) {
            reading.doubt(Reason::MeasureDiffers {
                product: code.to_owned(),
                written: measure.text.clone(),
            });
        }
    }
    let texts: Vec<&str> = written
        .iter()
        .map(|variant| variant.text.as_str())
        .collect();
    let said = (!texts.is_empty()).then(|| texts.join(", "));
    if product.variants.is_empty() {
        return said;
    }
    // What the name says already is no choice.
    let name = compact(&product.name);
    let choices: Vec<String> = texts
        .iter()
        .map(|text| compact(text))
        .filter(|text| !name.contains(text))
        .collect();
    if choices.is_empty() {
        reading.doubt(Reason::VariantMissing {
            product: code.to_owned(),
        });
        return said;
    }
    let same = |real: &&String| choices.len() == 1 && compact(real) == choices[0];
    let holds = |real: &&String| {
        let parts: Vec<String> = real.split([',', '/', '-']).map(compact).collect();
        choices.iter().all(|choice| parts.contains(choice))
    };
    let real = &product.variants;
    let exact: Vec<&String> = real.iter().filter(same).collect();
    let found = if exact.is_empty() {
        real.iter().filter(holds).collect()
    } else {
        exact
    };
    if let [one] = found[..] {
        return Some(one.clone());
    }
    reading.doubt(Reason::VariantUnknown {
        product: code.to_owned(),
        written: said.clone().unwrap_or_default(),
    });
    said
}

/// Folded, without spaces and without the words that only announce it: `Màu đen` is `den`.
fn compact(text: &str) -> String {
    let folded = fold(text);
    let words = folded
        .split(' ')
        .filter(|word| !matches!(*word, "mau" | "size"));
    words.collect()
}

/// Whether the name gives another number for the unit: `30w` for a charger of 20 W.
fn contradicts(name: &str, measure: &str) -> bool {
    let folded = compact(measure);
    let unit = folded.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let name = compact(name);
    if unit.is_empty() || name.contains(&folded) {
        return false;
    }
    let mut rest = name.as_str();
    while let Some(at) = rest.find(unit) {
        if rest[..at].ends_with(|letter: char| letter.is_ascii_digit()) {
            return true;
        }
        rest = &rest[at + unit.len()..];
    }
    false
}
