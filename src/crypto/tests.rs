//! What opens, what does not, and what is never shown.

use super::*;
use proptest::prelude::*;

const OLD: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEW: &str = "a passphrase that is long enough to be a key";

fn ring(keys: &[(&str, &str)]) -> KeyRing {
    let sources: Vec<KeySource> = keys
        .iter()
        .map(|(id, secret)| KeySource {
            id: (*id).to_owned(),
            secret: (*secret).into(),
        })
        .collect();
    KeyRing::new(&sources).unwrap()
}

proptest! {
    #[test]
    fn what_is_sealed_opens_in_its_place(plain: Vec<u8>, place: Vec<u8>) {
        let ring = ring(&[("a", OLD)]);
        let sealed = ring.seal(&plain, &place);
        prop_assert_eq!(&*ring.open(&sealed, &place).unwrap(), &plain);
    }

    #[test]
    fn one_flipped_bit_and_it_does_not_open(plain: Vec<u8>, at: prop::sample::Index, bit in 0_u8..8) {
        let ring = ring(&[("a", OLD), ("b", NEW)]);
        let mut sealed = ring.seal(&plain, b"place");
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(ring.open(&sealed, b"place").is_err());
    }

    #[test]
    fn rubbish_is_refused_without_a_panic(sealed: Vec<u8>) {
        prop_assert!(ring(&[("a", OLD)]).open(&sealed, b"").is_err());
    }
}

#[test]
fn a_value_moved_to_another_place_does_not_open() {
    let ring = ring(&[("a", OLD)]);
    let sealed = ring.seal(b"secret", b"tokens/access/1");
    let moved = ring.open(&sealed, b"tokens/access/2");
    assert_eq!(moved, Err(Error::Altered { id: "a".to_owned() }));
}

#[test]
fn another_secret_under_the_same_id_does_not_open() {
    let sealed = ring(&[("a", OLD)]).seal(b"secret", b"");
    let opened = ring(&[("a", NEW)]).open(&sealed, b"");
    assert_eq!(opened, Err(Error::Altered { id: "a".to_owned() }));
}

#[test]
fn after_a_rotation_old_values_open_and_are_known_to_be_stale() {
    let before = ring(&[("2025", OLD)]);
    let after = ring(&[("2026", NEW), ("2025", OLD)]);
    let old = before.seal(b"secret", b"");
    assert_eq!(&*after.open(&old, b"").unwrap(), b"secret");
    assert!(after.is_stale(&old));
    let new = after.seal(b"secret", b"");
    assert!(!after.is_stale(&new));
    let unknown = before.open(&new, b"");
    assert_eq!(
        unknown,
        Err(Error::UnknownKey {
            id: "2026".to_owned()
        })
    );
}

#[test]
fn a_search_after_a_rotation_finds_rows_from_before() {
    let before = ring(&[("2025", OLD)]);
    let after = ring(&[("2026", NEW), ("2025", OLD)]);
    let stored = before.lookup_hash("phone", "+84901234567");
    let wanted = after.lookup_hashes("phone", "+84901234567");
    assert_eq!(wanted[0], after.lookup_hash("phone", "+84901234567"));
    assert!(wanted.contains(&stored));
}

#[test]
fn look_up_hashes_of_different_domains_are_unrelated() {
    let ring = ring(&[("a", OLD)]);
    let hash = ring.lookup_hash("phone", "84901234567");
    assert_eq!(hash, ring.lookup_hash("phone", "84901234567"));
    assert_ne!(hash, ring.lookup_hash("name_word", "84901234567"));
    assert_ne!(
        ring.lookup_hash("phone", "84x"),
        ring.lookup_hash("phone8", "4x")
    );
}

#[test]
fn sealing_twice_gives_different_bytes() {
    let ring = ring(&[("a", OLD)]);
    assert_ne!(ring.seal(b"same", b""), ring.seal(b"same", b""));
}

#[test]
fn hex_and_both_kinds_of_base64_name_the_same_key() {
    let bytes = [0xfb_u8; 32];
    let forms = [
        hex::encode(bytes),
        base64::prelude::BASE64_STANDARD.encode(bytes),
        BASE64_URL_SAFE_NO_PAD.encode(bytes),
    ];
    let sealed = ring(&[("a", &forms[0])]).seal(b"x", b"");
    for form in &forms {
        assert_eq!(&*ring(&[("a", form)]).open(&sealed, b"").unwrap(), b"x");
    }
}

#[test]
fn a_bad_ring_is_refused_with_the_name_of_the_bad_key() {
    let make = |entries: &[(&str, &str)]| {
        let variable = |name: &str| match name {
            "GOOD" => Some(OLD.to_owned()),
            "SHORT" => Some("short".to_owned()),
            _ => None,
        };
        KeyRing::from_variables(entries.iter().copied(), variable)
            .unwrap_err()
            .to_string()
    };
    assert!(make(&[]).contains("at least one key"));
    assert!(make(&[("a", "MISSING")]).contains("MISSING is not set"));
    assert!(make(&[("a", "SHORT")]).contains("needs 32 bytes"));
    assert!(make(&[("a", "GOOD"), ("a", "GOOD")]).contains("given twice"));
    assert!(make(&[("A b", "GOOD")]).contains("an id has"));
}

#[test]
fn debug_shows_no_secret() {
    let token = ApiToken::generate();
    let source = KeySource {
        id: "a".to_owned(),
        secret: NEW.into(),
    };
    let shown = format!("{:?} {:?} {:?}", ring(&[("a", NEW)]), source, token);
    assert!(!shown.contains("passphrase"));
    assert!(!shown.contains(token.expose()));
}

#[test]
fn a_token_is_long_random_and_stored_as_its_hash() {
    let token = ApiToken::generate();
    assert_eq!(token.expose().len(), 5 + 43);
    assert!(token.expose().starts_with("kenh_"));
    assert_ne!(token.expose(), ApiToken::generate().expose());
    assert_eq!(presented_token_hash(token.expose()), Some(token.hash()));
    assert_eq!(token.hash().len(), 64);
}

#[test]
fn what_cannot_be_a_token_is_not_hashed() {
    assert_eq!(presented_token_hash("kenh_short"), None);
    assert_eq!(presented_token_hash(&"x".repeat(48)), None);
    assert_eq!(
        presented_token_hash(&format!("kenh_{}!", "x".repeat(42))),
        None
    );
}
