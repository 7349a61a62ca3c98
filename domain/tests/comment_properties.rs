//! What holds of every comment, whatever stands in it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use domain::comment::{
    Action, Author, Comment, Intent, Known, Live, PhoneKind, PhoneState, Product, Reason,
    Understanding, Weight, parse,
};
use domain::explain::Language;
use proptest::prelude::*;

fn live() -> Live {
    let product = |(code, name, variants): (&str, &str, &[&str])| {
        let product = Product {
            sku: format!("SKU-{code}"),
            name: name.to_owned(),
            variants: variants.iter().map(|it| (*it).to_owned()).collect(),
        };
        (code.to_owned(), product)
    };
    let products: BTreeMap<String, Product> = [
        ("A12", "Củ sạc nhanh 20W", &[][..]),
        ("A1", "Cáp C-C", &[]),
        ("B7", "Tai nghe không dây", &["Đen", "Trắng"]),
        ("MH102", "Máy lọc không khí", &[]),
        ("Q7", "Loa", &[]),
        ("15", "Nồi cơm", &[]),
        ("SALE", "Combo", &[]),
    ]
    .into_iter()
    .map(product)
    .collect();
    Live::new(products)
}

fn understand(text: &str, known: &Known) -> Understanding {
    let comment = Comment {
        text,
        author: Author::Customer,
    };
    parse(&comment, &live(), known)
}

/// Pieces that comments are made of, odd ones too.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => proptest::sample::select(vec![
            "A12", "a12", "A1", "B7", "mh-102", "a 12", "q7", "mã 15", "15", "SALE", "D9", "2xA12", "A12x2",
        ]),
        3 => proptest::sample::select(vec![
            "0901234567", "0901 234 567", "+84901234567", "0912.345.678", "901234567", "0901xxx567",
            "0905111", "01681234567", "02838234567", "o9o1234567", "số cũ", "sđt em ib rồi",
        ]),
        3 => proptest::sample::select(vec![
            "2", "2 cái", "2c", "x2", "*3", "sl 2", "hai cái", "mỗi mã 2", "0 cái", "12 cái", "350k", "3tr5",
            "1.290.000đ", "10%", "8h", "24/11", "1990", "🔟", "<3", "55 inch", "20w", "128gb",
        ]),
        4 => proptest::sample::select(vec![
            "chốt", "lấy", "cho em", "hủy", "đổi", "sang", "không", "ko", "k", "chưa", "rồi", "nếu", "hay",
            "giá bn", "?", "còn", "đen", "màu trắng", "hồng", "size M", "nha shop", "ạ", "Lan", "chị Hoa",
            "12 Nguyễn Trãi", "quận 5", "P3", "ship về", "đc:", "củ sạc", "tai nghe", "stk", "ck rồi", "xyz",
            "đẹp quá", "hóng", "+", "và", ",", "\n", "-", "/", "❌", "❤️", "\u{200b}", "(", "x",
        ]),
        1 => any::<char>().prop_map(|letter| Box::leak(letter.to_string().into_boxed_str()) as &str),
    ]
    .prop_map(str::to_owned)
}

fn text() -> impl Strategy<Value = String> {
    let gap = proptest::sample::select(vec![" ", " ", " ", "", ", ", ". "]);
    proptest::collection::vec((piece(), gap), 0..9)
        .prop_map(|pieces| pieces.into_iter().map(|(piece, gap)| piece + gap).collect())
}

fn known() -> impl Strategy<Value = Known> {
    (any::<bool>(), proptest::collection::vec(text(), 0..3)).prop_map(
        |(phone_on_file, previous)| Known {
            phone_on_file,
            previous,
        },
    )
}

/// What must be true of any draft.
fn check_draft(understood: &Understanding, known: &Known) -> Result<(), TestCaseError> {
    let live = live();
    prop_assert_eq!(understood.intent, Intent::Order);
    prop_assert!(!understood.lines.is_empty());
    for line in &understood.lines {
        let product = live.products.get(&line.code);
        prop_assert!(product.is_some_and(|product| product.sku == line.sku));
        prop_assert!((1..=live.quantity_limit).contains(&line.quantity));
        prop_assert!(understood.mentions.contains(&line.code));
    }
    match &understood.phones[..] {
        [one] => {
            prop_assert_eq!(one.kind, PhoneKind::Mobile);
            prop_assert!(one.e164.is_mobile());
            prop_assert_eq!(understood.phone_state, PhoneState::Ok);
        }
        phones => prop_assert!(phones.is_empty() && known.phone_on_file),
    }
    prop_assert!(
        understood
            .reasons
            .iter()
            .all(|reason| reason.weight() == Weight::Fact)
    );
    Ok(())
}

/// No reason holds a phone, in words or as stored.
fn check_privacy(understood: &Understanding) -> Result<(), TestCaseError> {
    let mut texts = vec![serde_json::to_string(&understood.reasons).unwrap()];
    for reason in &understood.reasons {
        texts.push(reason.sentence(Language::English));
        texts.push(reason.sentence(Language::Vietnamese));
    }
    for text in texts {
        let longest = text
            .split(|letter: char| !letter.is_ascii_digit())
            .map(str::len)
            .max();
        prop_assert!(longest.unwrap_or(0) < 7, "{}", text);
    }
    Ok(())
}

fn check(text: &str, known: &Known) -> Result<(), TestCaseError> {
    let understood = understand(text, known);
    prop_assert_eq!(&understand(text, known), &understood, "read twice");
    let stored = serde_json::to_string(&understood).unwrap();
    prop_assert_eq!(
        &serde_json::from_str::<Understanding>(&stored).unwrap(),
        &understood
    );
    if understood.action == Action::Draft {
        check_draft(&understood, known)?;
    }
    if understood.intent == Intent::Spam {
        prop_assert!(understood.phones.is_empty());
    }
    check_privacy(&understood)
}

/// Orders that are drafts as they stand.
const ORDERS: &[&str] = &[
    "chốt A12 0901234567",
    "cho em 2 cái A12 nha shop 0901234567",
    "A12 x2 0901234567 ạ",
    "lấy 1 A12 và 2 MH102 sđt 0901 234 567 chị Lan",
    "B7 đen 0901234567 ship về Hà Nội",
];

proptest! {
    #[test]
    fn any_text_is_safe(text: String, known in known()) {
        check(&text, &known)?;
    }

    #[test]
    fn comments_of_usual_pieces_in_any_order_keep_the_rules(text in text(), known in known()) {
        check(&text, &known)?;
    }

    #[test]
    fn the_page_s_own_comment_is_never_read(text in text(), known in known()) {
        let comment = Comment { text: &text, author: Author::Page };
        let understood = parse(&comment, &live(), &known);
        prop_assert_eq!(understood.action, Action::Ignore);
        prop_assert_eq!(understood.reasons, vec![Reason::ByThePage]);
        prop_assert!(understood.lines.is_empty() && understood.phones.is_empty());
    }

    #[test]
    fn a_stray_number_anywhere_keeps_an_order_from_being_a_draft(
        order in 0..ORDERS.len(), place in 0_usize..12, number in 11_u32..99_999
    ) {
        let mut words: Vec<String> = ORDERS[order].split(' ').map(str::to_owned).collect();
        let place = place.min(words.len());
        words.insert(place, number.to_string());
        let text = words.join(" ");
        let understood = understand(&text, &Known::default());
        prop_assert_ne!(understood.action, Action::Draft, "{}", text);
    }

    #[test]
    fn a_word_of_doubt_anywhere_keeps_an_order_from_being_a_draft(
        order in 0..ORDERS.len(), place in 0_usize..12,
        word in proptest::sample::select(vec![
            "không", "chưa", "nếu", "hoặc", "mai", "rồi", "đừng", "nhầm", "thêm", "giá", "?", "còn", "hủy", "đổi",
        ])
    ) {
        let mut words: Vec<&str> = ORDERS[order].split(' ').collect();
        words.insert(place.min(words.len()), word);
        let text = words.join(" ");
        let understood = understand(&text, &Known::default());
        prop_assert_ne!(understood.action, Action::Draft, "{}", text);
    }

    #[test]
    fn the_same_comment_again_makes_nothing_new(order in 0..ORDERS.len(), tail in "[!. ]{0,5}") {
        let known = Known { phone_on_file: false, previous: vec![ORDERS[order].to_uppercase()] };
        let again = format!("{}{tail}", ORDERS[order]);
        prop_assert_eq!(understand(&again, &known).action, Action::Duplicate);
    }
}

#[test]
fn the_orders_of_these_properties_are_drafts() {
    for order in ORDERS {
        let understood = understand(order, &Known::default());
        assert_eq!(understood.action, Action::Draft, "{order}: {understood:?}");
    }
}

#[test]
fn a_comment_that_is_too_long_to_be_read_is_no_draft() {
    let text = format!("chốt A12 0901234567 {}", "nha ".repeat(600));
    let understood = understand(&text, &Known::default());
    assert_eq!(understood.action, Action::Review);
    assert!(understood.reasons.contains(&Reason::TooLong));
}

#[test]
fn reasons_say_in_both_languages_what_was_understood_and_what_was_not() {
    let understood = understand("chốt A12 x2 7 0901234567", &Known::default());
    let sentences = |language| {
        let all = understood.reasons.iter();
        all.map(|reason| reason.sentence(language))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        sentences(Language::English),
        [
            "understood as: an order",
            "A12 × 2: written 'x2'",
            "phone 09•••••567: a mobile number",
            "the number '7' is unexplained",
        ]
    );
    assert_eq!(
        sentences(Language::Vietnamese),
        [
            "hiểu là: đặt hàng",
            "A12 × 2: viết 'x2'",
            "số điện thoại 09•••••567: số di động",
            "còn số '7' không rõ nghĩa",
        ]
    );
}
