//! Where a text names a district or a ward: type words with a name after (or in English before)
//! them, and names that stand alone.
//!
//! A mention keeps everything that its words may stand for; [`super::ward`] chooses. A name is the
//! longest one that the table knows, and only where something may follow it: `Phường Tân Phú Xyz`
//! is not Phường Tân Phú.

use std::sync::LazyLock;

use super::Province;
use super::province::Letters;
use super::search::names_a_province;
use super::units::{Kind, Named, named};
use super::words::{Word, is_note, is_phone_or_post, without_country};

/// No name of the table has more words.
const LONGEST_NAME: usize = 6;

/// What a part of the input was given as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Part of a text.
    Text,
    /// The channel's field for the ward.
    Ward,
    /// The channel's field for the district, or what the shop calls "city" below the province.
    District,
}

/// A part of the input.
pub(super) struct Part {
    pub(super) role: Role,
    pub(super) words: Vec<Word>,
}

impl Part {
    pub(super) fn new(role: Role, words: &[Word]) -> Self {
        let mut split = Vec::with_capacity(words.len() + 2);
        for word in words {
            split.extend(unglued(word));
        }
        Self { role, words: split }
    }

    fn is_marked(&self) -> bool {
        self.words.iter().any(Word::is_marked)
    }
}

/// A name in the text and what it may stand for.
#[derive(Debug)]
pub(super) struct Mention {
    /// The type before it, if there is one.
    pub(super) kind: Option<Kind>,
    /// Whether it is a type, or the field that it stands in, that says what it is.
    pub(super) typed: bool,
    /// What the words may mean, with all, some or none of their marks.
    pub(super) candidates: Vec<Named>,
    /// Where the words have marks, what is written exactly so is meant and nothing else.
    pub(super) marked: bool,
    /// The part that it stands in.
    pub(super) part: usize,
}

/// All that the parts name.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    pub(super) wards: Vec<Mention>,
    pub(super) districts: Vec<Mention>,
    /// Parts that are one name as a whole, without a type.
    pub(super) bare: Vec<Mention>,
    /// A district is written that the province does not have.
    pub(super) unknown_district: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Ward,
    District,
}

impl Level {
    fn has(self, meant: Named) -> bool {
        match meant {
            Named::Unit(_) | Named::Ward(_) | Named::FormerWard(_) => self == Self::Ward,
            Named::District(_) | Named::FormerDistrict(_) => self == Self::District,
        }
    }
}

/// What the parts name within a province, or in the whole country.
pub(super) fn mentions(parts: &[Part], scope: Option<&'static Province>) -> Mentions {
    let marked_words = parts
        .iter()
        .flat_map(|part| &part.words)
        .filter(|word| word.is_marked())
        .count();
    let mut found = Mentions::default();
    let last = parts
        .iter()
        .rposition(|part| !without_country(&part.words).is_empty() && !is_note(&part.words));
    for (at, part) in parts.iter().enumerate() {
        let reader = Reader {
            words: without_country(&part.words),
            scope,
            // In a text full of marks, a name without them is one that has none.
            marked: part.is_marked() || marked_words >= 3,
            part: at,
            is_last: part.role == Role::Text && Some(at) == last,
        };
        reader.read(part.role, &mut found);
    }
    found
}

struct Reader<'a> {
    words: &'a [Word],
    scope: Option<&'static Province>,
    marked: bool,
    part: usize,
    is_last: bool,
}

impl Reader<'_> {
    fn read(&self, role: Role, found: &mut Mentions) {
        let before = (found.wards.len(), found.districts.len());
        let mut at = 0;
        let mut may_be_bare = true;
        while at < self.words.len() {
            if may_be_bare
                && let Some((mention, end)) = self.bare_district(at)
                && (at > 0 || end < self.words.len())
            {
                found.districts.push(mention);
                at = end;
                continue;
            }
            may_be_bare = false;
            let Some(kind) = type_at(&self.words[at..]) else {
                at += 1;
                continue;
            };
            if let Some((mention, end)) = self.typed(at, kind) {
                match kind.level {
                    Level::Ward => found.wards.push(mention),
                    Level::District => found.districts.push(mention),
                }
                at = end;
                may_be_bare = true;
                continue;
            }
            found.unknown_district |= self.is_unknown_district(at, kind);
            at += kind.words;
        }
        if (found.wards.len(), found.districts.len()) == before {
            self.read_whole(role, found);
        }
    }

    /// Whether the last words of the address begin here and are its province: Bắc Ninh at the end
    /// is not the city in it.
    fn is_province(&self, at: usize) -> bool {
        self.is_last && names_a_province(&self.words[at..])
    }

    /// A part without any type may be a name as a whole.
    fn read_whole(&self, role: Role, found: &mut Mentions) {
        let len = self.words.len();
        let whole = |level, typed| self.mention(level, 0, len, None, typed);
        match role {
            Role::Ward => found.wards.extend(whole(Level::Ward, true)),
            Role::District => {
                if let Some(district) = whole(Level::District, false) {
                    found.districts.push(district);
                } else if let Some(ward) = whole(Level::Ward, true) {
                    found.wards.push(ward);
                } else {
                    found.unknown_district |= !names_a_province(self.words);
                }
            }
            Role::Text if self.is_province(0) => {}
            // `Phường Tân Phú, 7, TP.HCM`: the number may be the district's, or nothing.
            Role::Text if self.words.iter().all(Word::is_number) => {
                found.unknown_district |= self.part > 0 && len == 1;
            }
            Role::Text => {
                let district = whole(Level::District, false);
                let ward = whole(Level::Ward, false);
                // Cầu Giấy is a ward of today as well.
                if let Some(district) = district {
                    found.districts.push(district);
                } else {
                    found.bare.extend(ward);
                }
            }
        }
    }

    /// A type word and the name that belongs to it; the end of both.
    fn typed(&self, at: usize, kind: TypeWord) -> Option<(Mention, usize)> {
        let start = at + kind.words;
        let longest = LONGEST_NAME.min(self.words.len().saturating_sub(start));
        for len in (1..=longest).rev() {
            let end = start + len;
            let Some(mention) = self.mention(kind.level, start, end, kind.kind, true) else {
                continue;
            };
            return self.may_end(end).then_some((mention, end));
        }
        if !kind.may_follow {
            return None;
        }
        // Ben Thanh Ward
        let from = at.saturating_sub(LONGEST_NAME);
        (from..at).find_map(|from| {
            let begins = from == 0 || self.words[from - 1].begins_with_digit();
            let mention = self.mention(kind.level, from, at, kind.kind, true)?;
            (begins && self.may_end(start)).then_some((mention, start))
        })
    }

    /// A district without a type, with the province or nothing behind it.
    fn bare_district(&self, at: usize) -> Option<(Mention, usize)> {
        if self.words[at].is_number() || self.is_province(at) {
            return None;
        }
        let longest = LONGEST_NAME.min(self.words.len() - at);
        (1..=longest).rev().find_map(|len| {
            let end = at + len;
            let mention = self.mention(Level::District, at, end, None, false)?;
            let ends = end == self.words.len() || names_a_province(&self.words[end..]);
            ends.then_some((mention, end))
        })
    }

    fn mention(
        &self,
        level: Level,
        start: usize,
        end: usize,
        kind: Option<Kind>,
        typed: bool,
    ) -> Option<Mention> {
        let words = &self.words[start..end];
        let key = key(words)?;
        let mut written = None;
        let mut candidates: Vec<Named> = named(&key)
            .filter(|meant| level.has(*meant))
            .filter(|meant| self.scope.is_none_or(|scope| meant.province() == scope))
            .filter(|meant| reads(words, &mut written, *meant) != Reading::Not)
            .collect();
        if self.marked {
            let exact: Vec<Named> = candidates
                .iter()
                .copied()
                .filter(|meant| reads(words, &mut written, *meant) == Reading::Exact)
                .collect();
            if !exact.is_empty() {
                candidates = exact;
            }
        }
        (!candidates.is_empty()).then_some(Mention {
            kind,
            typed,
            candidates,
            marked: self.marked,
            part: self.part,
        })
    }

    /// Whether a name may end before these words.
    fn may_end(&self, end: usize) -> bool {
        let rest = &self.words[end..];
        let Some(next) = rest.first() else {
            return true;
        };
        matches!(&*next.folded, "nay" | "cu" | "moi" | "va")
            || is_phone_or_post(next)
            || type_at(rest).is_some()
            || names_a_province(rest)
            || self.bare_district(end).is_some()
    }

    /// Whether a district is written here whose name the table does not have.
    fn is_unknown_district(&self, at: usize, kind: TypeWord) -> bool {
        let rest = &self.words[at + kind.words..];
        let Some(next) = rest.first() else {
            return false;
        };
        let has_numbers = matches!(kind.kind, None | Some(Kind::UrbanDistrict));
        kind.level == Level::District
            && !names_a_province(&self.words[at..])
            && !names_a_province(rest)
            && (has_numbers || !next.begins_with_digit())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Not,
    SomeMarks,
    Exact,
}

/// How a name is read. The folded letters are known to be equal.
fn reads(words: &[Word], written: &mut Option<Letters>, meant: Named) -> Reading {
    let Some(name) = meant.name() else {
        // Numbers have no marks that could be missing.
        return if words.iter().all(Word::is_number) {
            Reading::Exact
        } else {
            Reading::SomeMarks
        };
    };
    let plain = |text: &str| text.is_ascii();
    if words.len() > most_words(name) {
        return Reading::Not;
    }
    if words.iter().all(|word| plain(&word.written)) {
        return if plain(name) {
            Reading::Exact
        } else {
            Reading::SomeMarks
        };
    }
    let written = written.get_or_insert_with(|| {
        let words: Vec<&str> = words.iter().map(|word| &*word.written).collect();
        Letters::of(&words.join(" "))
    });
    let name = Letters::of(name);
    if *written == name {
        Reading::Exact
    } else if written.reads_as(&name) {
        Reading::SomeMarks
    } else {
        Reading::Not
    }
}

/// How many words a name may be written as: `X. Hai An H. Hai Hau` is not Hải Anh, though its letters
/// are there; Ea H'Leo may be three.
fn most_words(name: &str) -> usize {
    name.split([' ', '-', '\''])
        .filter(|word| !word.is_empty())
        .count()
}

/// The words as the table's names are looked up: `ben thanh` → `benthanh`, `05` → `5`.
fn key(words: &[Word]) -> Option<String> {
    let joined: String = words.iter().map(|word| &*word.folded).collect();
    if !joined.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(joined);
    }
    let number = joined.trim_start_matches('0');
    (words.len() == 1 && (1..=2).contains(&number.len())).then(|| number.to_owned())
}

/// A type as it stands in a text.
#[derive(Debug, Clone, Copy)]
struct TypeWord {
    level: Level,
    kind: Option<Kind>,
    words: usize,
    /// English types follow the name, and numbers follow them.
    may_follow: bool,
}

/// The type that these words begin with.
fn type_at(words: &[Word]) -> Option<TypeWord> {
    let first = words.first()?;
    TYPES.iter().find_map(|known| {
        if first.folded != known.words[0].0 || words.len() < known.words.len() {
            return None;
        }
        // Phương Mai begins with a name, not with phường.
        let reads = known
            .words
            .iter()
            .zip(words)
            .all(|((folded, letters), word)| {
                word.folded == *folded
                    && (!word.is_marked() || Letters::of(&word.written) == *letters)
            });
        reads.then_some(TypeWord {
            words: known.words.len(),
            ..known.means
        })
    })
}

struct KnownType {
    words: Vec<(String, Letters)>,
    means: TypeWord,
}

static TYPES: LazyLock<Vec<KnownType>> = LazyLock::new(|| {
    use Kind::{City, Commune, RuralDistrict, SpecialZone, Town, Township, UrbanDistrict, Ward};
    let vietnamese = [
        ("phường", Ward),
        ("ph", Ward),
        ("p", Ward),
        ("f", Ward),
        ("thị trấn", Township),
        ("tt", Township),
        ("thị xã", Town),
        ("tx", Town),
        ("xã", Commune),
        ("x", Commune),
        ("đặc khu", SpecialZone),
        ("đk", SpecialZone),
        ("quận", UrbanDistrict),
        ("q", UrbanDistrict),
        ("huyện", RuralDistrict),
        ("h", RuralDistrict),
        ("thành phố", City),
        ("t p", City),
        ("tp", City),
    ];
    let level = |kind| match kind {
        Ward | Commune | Township | SpecialZone => Level::Ward,
        UrbanDistrict | RuralDistrict | Town | City => Level::District,
    };
    let english = [
        ("ward", Level::Ward),
        ("commune", Level::Ward),
        ("district", Level::District),
        ("dist", Level::District),
        ("city", Level::District),
        ("town", Level::District),
    ];
    let known = |text: &str, level, kind, may_follow| KnownType {
        words: text
            .split(' ')
            .map(|word| (crate::text::fold(word), Letters::of(word)))
            .collect(),
        means: TypeWord {
            level,
            kind,
            words: 0,
            may_follow,
        },
    };
    let vietnamese = vietnamese.map(|(text, kind)| known(text, level(kind), Some(kind), false));
    let english = english.map(|(text, level)| known(text, level, None, true));
    vietnamese.into_iter().chain(english).collect()
});

/// `Q1` as `Q` and `1`.
fn unglued(word: &Word) -> Vec<Word> {
    let digits = word
        .folded
        .find(|letter: char| letter.is_ascii_digit())
        .unwrap_or(word.folded.len());
    let (kind, number) = word.folded.split_at(digits);
    let is_type = matches!(
        kind,
        "p" | "f" | "q" | "ph" | "phuong" | "quan" | "ward" | "district"
    );
    let is_number =
        (1..=2).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    if !is_type || !is_number {
        return vec![word.clone()];
    }
    // Letters may be more bytes as written than folded; the digits are the same.
    let letters = word
        .written
        .trim_end_matches(|letter: char| letter.is_ascii_digit());
    vec![
        Word {
            written: letters.to_owned(),
            folded: kind.to_owned(),
        },
        Word {
            written: number.to_owned(),
            folded: number.to_owned(),
        },
    ]
}
