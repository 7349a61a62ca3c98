//! What all lists share: page sizes, cursors and numbers in paths.

use super::problem::{Code, Problem};

/// Rows of a page, unless the caller says otherwise.
const USUAL: u32 = 50;

/// Rows of a page at most.
const MOST: u32 = 200;

/// The size of a page.
///
/// # Errors
/// 422 when it is not between 1 and 200.
pub(super) fn limit(wanted: Option<u32>) -> Result<i64, Problem> {
    match wanted.unwrap_or(USUAL) {
        n @ 1..=MOST => Ok(i64::from(n)),
        _ => Err(Problem::invalid(
            "limit",
            format!("must be between 1 and {MOST}"),
        )),
    }
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

/// A row's number in a path. What is no number names nothing.
///
/// # Errors
/// 404.
pub(super) fn row(id: &str) -> Result<i64, Problem> {
    id.parse().map_err(|_| Problem::new(Code::NotFound))
}

/// Refuses a word that is none of `known`.
///
/// # Errors
/// 422 with the field.
pub(super) fn one_of(field: &str, word: Option<&str>, known: &[&str]) -> Result<(), Problem> {
    match word {
        Some(word) if !known.contains(&word) => Err(Problem::invalid(
            field,
            format!("must be one of {}", known.join(", ")),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_page_has_a_bounded_size() {
        assert_eq!(limit(None).unwrap(), 50);
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(201)).is_err());
    }
}
