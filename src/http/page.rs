//! Pages of lists: limits, and cursors that say where the next page begins.
//!
//! A cursor is opaque to callers. It carries the place of the last item seen and a keyed check, so
//! that a changed cursor, or one of another list, is refused instead of giving a wrong page.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use super::problem::Problem;
use crate::crypto::KeyRing;

/// Items of a page, unless the caller says otherwise.
const USUAL: u32 = 50;

/// Items of a page at most.
const MOST: u32 = 200;

/// Characters of the check: 80 bits.
const CHECK: usize = 20;

/// The place of an item in its list: the time that sorts it, and its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Milliseconds, or whatever number sorts the list.
    pub at: i64,
    /// Id; decides between items of the same time.
    pub id: String,
}

impl Position {
    /// The cursor of what comes after this item. `list` names the list with all its filters.
    #[must_use]
    pub fn cursor(&self, keys: &KeyRing, list: &str) -> String {
        let place = format!("{}~{}", self.at, self.id);
        let check = keys.lookup_hash("cursor", &format!("{list}\n{place}"));
        BASE64_URL_SAFE_NO_PAD.encode(format!("{}{place}", &check[..CHECK]))
    }

    /// Reads a cursor of the same list.
    ///
    /// # Errors
    /// 422 for a cursor that was not made here for this list.
    pub fn read(keys: &KeyRing, list: &str, cursor: &str) -> Result<Self, Problem> {
        Self::checked(keys, list, cursor).ok_or_else(|| {
            Problem::invalid(
                "cursor",
                "must be the `next_cursor` of a page with the same filters",
            )
        })
    }

    fn checked(keys: &KeyRing, list: &str, cursor: &str) -> Option<Self> {
        let text = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let text = String::from_utf8(text).ok()?;
        let (check, place) = text.split_at_checked(CHECK)?;
        // With every key, so that a rotation does not break a list that is being read.
        keys.lookup_hashes("cursor", &format!("{list}\n{place}"))
            .iter()
            .any(|hash| hash.starts_with(check))
            .then_some(())?;
        let (at, id) = place.split_once('~')?;
        Some(Self {
            at: at.parse().ok()?,
            id: id.to_owned(),
        })
    }
}

/// The number of items that the caller wants.
///
/// # Errors
/// 422 outside 1 to 200.
pub fn limit(wanted: Option<u32>) -> Result<i64, Problem> {
    match wanted.unwrap_or(USUAL) {
        n @ 1..=MOST => Ok(i64::from(n)),
        _ => Err(Problem::invalid(
            "limit",
            format!("must be between 1 and {MOST}"),
        )),
    }
}

/// How many rows to read for a page of `limit` items: one more says whether there is a next page.
#[must_use]
pub fn rows(limit: i64) -> i64 {
    limit + 1
}

/// Cuts what was read to the page; the cursor of the next one, if there is more.
pub fn cut<T>(
    items: &mut Vec<T>,
    limit: i64,
    keys: &KeyRing,
    list: &str,
    position: impl Fn(&T) -> Position,
) -> Option<String> {
    let limit = usize::try_from(limit).expect("limits are small and positive");
    let more = items.len() > limit;
    items.truncate(limit);
    if !more {
        return None;
    }
    items.last().map(|last| position(last).cursor(keys, list))
}

/// A cursor that is the number of a row.
///
/// # Errors
/// 422 when it is not one of ours.
pub(super) fn row_cursor(cursor: Option<&str>) -> Result<Option<i64>, Problem> {
    cursor
        .map(|text| text.parse().map_err(|_| strange_cursor()))
        .transpose()
}

/// A cursor for rows that are ordered by two texts.
pub(super) fn pair_cursor(first: &str, second: &str) -> String {
    hex::encode(format!("{first}\n{second}"))
}

/// The two texts of [`pair_cursor`]; empty ones without a cursor, which come before all others.
///
/// # Errors
/// 422 when it is not one of ours.
pub(super) fn read_pair(cursor: Option<&str>) -> Result<(String, String), Problem> {
    let Some(cursor) = cursor else {
        return Ok(Default::default());
    };
    let text = hex::decode(cursor)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .ok_or_else(strange_cursor)?;
    let (first, second) = text.split_once('\n').ok_or_else(strange_cursor)?;
    Ok((first.to_owned(), second.to_owned()))
}

fn strange_cursor() -> Problem {
    Problem::invalid("cursor", "must be the next_cursor of a page before")
}

#[cfg(test)]
mod tests {
    use super::super::problem::Code;
    use super::*;
    use proptest::prelude::*;

    fn place() -> Position {
        Position {
            at: 1_764_000_000_000,
            id: "ord_01".to_owned(),
        }
    }

    proptest! {
        #[test]
        fn a_cursor_gives_back_the_place_it_was_made_of(at: i64, id in "[a-z0-9_~]{1,40}") {
            let keys = KeyRing::ephemeral();
            let position = Position { at, id };
            let cursor = position.cursor(&keys, "orders");
            prop_assert_eq!(Position::read(&keys, "orders", &cursor).unwrap(), position);
        }

        #[test]
        fn a_changed_cursor_is_refused(at in 0_usize..40, with in "[A-Za-z0-9_-]") {
            let keys = KeyRing::ephemeral();
            let cursor = place().cursor(&keys, "orders");
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &with);
            prop_assume!(changed != cursor);
            prop_assert!(Position::read(&keys, "orders", &changed).is_err());
        }
    }

    #[test]
    fn a_cursor_of_other_filters_is_refused() {
        let keys = KeyRing::ephemeral();
        let cursor = place().cursor(&keys, "orders?status=open");
        assert!(Position::read(&keys, "orders?status=held", &cursor).is_err());
    }

    #[test]
    fn a_page_has_one_to_two_hundred_items() {
        assert_eq!(limit(None).unwrap(), 50);
        assert_eq!(limit(Some(200)).unwrap(), 200);
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(201)).is_err());
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let keys = KeyRing::ephemeral();
        let at = |n: &i64| Position {
            at: *n,
            id: n.to_string(),
        };
        let mut items = vec![1, 2, 3];
        let next = cut(&mut items, 2, &keys, "l", at).unwrap();
        assert_eq!(items, [1, 2]);
        assert_eq!(Position::read(&keys, "l", &next).unwrap().at, 2);
        assert_eq!(cut(&mut items, 2, &keys, "l", at), None);
    }

    #[test]
    fn a_cursor_of_two_texts_comes_back_as_it_was() {
        let cursor = pair_cursor("hub-hcm", "Máy lạnh 1/2");
        let read = read_pair(Some(&cursor)).unwrap();
        assert_eq!(read, ("hub-hcm".to_owned(), "Máy lạnh 1/2".to_owned()));
        assert_eq!(read_pair(None).unwrap(), (String::new(), String::new()));
    }

    #[test]
    fn a_cursor_that_is_not_ours_is_refused() {
        for cursor in ["zz", "616263", "ff"] {
            assert_eq!(
                read_pair(Some(cursor)).unwrap_err().code(),
                Code::InvalidField
            );
        }
        assert!(row_cursor(Some("1; DROP")).is_err());
    }
}
