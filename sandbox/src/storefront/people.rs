//! Buyers and addresses as they are really written: many spellings of a phone, provinces before
//! and after the reform of July 2025, with and without wards.

use fastrand::Rng;

const FAMILIES: [&str; 12] = [
    "Nguyễn", "Trần", "Lê", "Phạm", "Hoàng", "Huỳnh", "Phan", "Vũ", "Võ", "Đặng", "Bùi", "Đỗ",
];
const MIDDLES: [&str; 8] = ["Thị", "Văn", "Minh", "Ngọc", "Thanh", "Quốc", "Hồng", "Đức"];
const GIVENS: [&str; 14] = [
    "Anh", "Bình", "Châu", "Dũng", "Giang", "Hà", "Hương", "Khoa", "Lan", "Nam", "Phúc", "Quân",
    "Thảo", "Vy",
];
const STREETS: [&str; 10] = [
    "Nguyễn Trãi",
    "Lê Lợi",
    "Trần Hưng Đạo",
    "Hai Bà Trưng",
    "Lý Thường Kiệt",
    "Phan Chu Trinh",
    "Nguyễn Văn Linh",
    "Điện Biên Phủ",
    "Cách Mạng Tháng Tám",
    "Hùng Vương",
];
const PREFIXES: [&str; 12] = [
    "090", "093", "089", "070", "098", "097", "086", "032", "038", "091", "094", "083",
];

/// A buyer.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) name: String,
    /// `0901234567`.
    pub(crate) national: String,
    /// The same number as this buyer types it.
    pub(crate) phone: String,
    pub(crate) email: Option<String>,
}

/// An address with its parts and as one text.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) line: String,
    pub(crate) ward: String,
    pub(crate) district: String,
    /// As this buyer writes the province.
    pub(crate) province: &'static str,
    /// Code of 2025-07.
    pub(crate) code: &'static str,
    pub(crate) text: String,
}

/// Where the buyers live: weight, code of 2025-07, spellings, (ward, district) pairs.
struct Area {
    weight: u32,
    code: &'static str,
    spellings: &'static [&'static str],
    parts: &'static [(&'static str, &'static str)],
}

const AREAS: [Area; 16] = [
    Area {
        weight: 34,
        code: "79",
        spellings: &[
            "TP.HCM",
            "TP. Hồ Chí Minh",
            "Hồ Chí Minh",
            "Thành phố Hồ Chí Minh",
        ],
        parts: &[
            ("Phường Bến Thành", "Quận 1"),
            ("Phường Tân Phú", "Quận 7"),
            ("Phường An Phú", "TP. Thủ Đức"),
            ("Phường 12", "Quận Gò Vấp"),
        ],
    },
    Area {
        weight: 22,
        code: "01",
        spellings: &["Hà Nội", "TP. Hà Nội", "Thành phố Hà Nội"],
        parts: &[
            ("Phường Hàng Bạc", "Quận Hoàn Kiếm"),
            ("Phường Dịch Vọng", "Quận Cầu Giấy"),
            ("Phường Khương Mai", "Quận Thanh Xuân"),
        ],
    },
    Area {
        weight: 9,
        code: "48",
        spellings: &["Đà Nẵng", "TP. Đà Nẵng", "Thành phố Đà Nẵng"],
        parts: &[
            ("Phường Thạch Thang", "Quận Hải Châu"),
            ("Phường An Khê", "Quận Thanh Khê"),
        ],
    },
    Area {
        weight: 7,
        code: "92",
        spellings: &["Cần Thơ", "TP. Cần Thơ", "Thành phố Cần Thơ"],
        parts: &[
            ("Phường Xuân Khánh", "Quận Ninh Kiều"),
            ("Phường An Thới", "Quận Bình Thủy"),
        ],
    },
    Area {
        weight: 5,
        code: "79",
        spellings: &["Bình Dương", "Tỉnh Bình Dương"],
        parts: &[
            ("Phường Phú Cường", "TP. Thủ Dầu Một"),
            ("Phường Lái Thiêu", "TP. Thuận An"),
        ],
    },
    Area {
        weight: 4,
        code: "75",
        spellings: &["Đồng Nai", "Tỉnh Đồng Nai"],
        parts: &[("Phường Quyết Thắng", "TP. Biên Hòa")],
    },
    Area {
        weight: 3,
        code: "31",
        spellings: &["Hải Phòng", "TP. Hải Phòng", "Thành phố Hải Phòng"],
        parts: &[("Phường Máy Tơ", "Quận Ngô Quyền")],
    },
    Area {
        weight: 3,
        code: "31",
        spellings: &["Hải Dương", "Tỉnh Hải Dương"],
        parts: &[("Phường Trần Phú", "TP. Hải Dương")],
    },
    Area {
        weight: 2,
        code: "24",
        spellings: &["Bắc Giang", "Tỉnh Bắc Giang", "Bắc Ninh"],
        parts: &[("Phường Ngô Quyền", "TP. Bắc Giang")],
    },
    Area {
        weight: 2,
        code: "48",
        spellings: &["Quảng Nam", "Tỉnh Quảng Nam"],
        parts: &[("Phường Minh An", "TP. Hội An")],
    },
    Area {
        weight: 2,
        code: "40",
        spellings: &["Nghệ An", "Tỉnh Nghệ An"],
        parts: &[("Phường Hưng Bình", "TP. Vinh")],
    },
    Area {
        weight: 2,
        code: "56",
        spellings: &["Khánh Hòa", "Tỉnh Khánh Hòa"],
        parts: &[("Phường Lộc Thọ", "TP. Nha Trang")],
    },
    Area {
        weight: 2,
        code: "68",
        spellings: &["Lâm Đồng", "Tỉnh Lâm Đồng"],
        parts: &[("Phường 1", "TP. Đà Lạt")],
    },
    Area {
        weight: 1,
        code: "91",
        spellings: &["Kiên Giang", "An Giang"],
        parts: &[("Phường Vĩnh Thanh", "TP. Rạch Giá")],
    },
    Area {
        weight: 1,
        code: "79",
        spellings: &["Bà Rịa - Vũng Tàu", "Tỉnh Bà Rịa - Vũng Tàu"],
        parts: &[("Phường Thắng Tam", "TP. Vũng Tàu")],
    },
    Area {
        weight: 1,
        code: "46",
        spellings: &["Huế", "Thành phố Huế"],
        parts: &[("Phường Vĩnh Ninh", "Quận Thuận Hóa")],
    },
];

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> &'a T {
    &from[rng.usize(0..from.len())]
}

/// Somebody.
pub(crate) fn person(rng: &mut Rng) -> Person {
    let name = format!(
        "{} {} {}",
        pick(rng, &FAMILIES),
        pick(rng, &MIDDLES),
        pick(rng, &GIVENS)
    );
    let national = format!(
        "{}{:07}",
        pick(rng, &PREFIXES),
        rng.u32(1_000_000..10_000_000)
    );
    let phone = spell(rng, &national);
    let email = (rng.u8(0..3) == 0).then(|| format!("khach{}@example.invalid", &national[4..]));
    Person {
        name,
        national,
        phone,
        email,
    }
}

/// One of the ways in which people write `0901234567`.
fn spell(rng: &mut Rng, national: &str) -> String {
    let (a, b, c) = (&national[..4], &national[4..7], &national[7..]);
    match rng.u8(0..6) {
        0 | 1 => national.to_owned(),
        2 => format!("{a} {b} {c}"),
        3 => format!("+84{}", &national[1..]),
        4 => format!("{a}.{b}.{c}"),
        _ => format!("84{}", &national[1..]),
    }
}

/// Somewhere, by the weights of the areas.
pub(crate) fn place(rng: &mut Rng) -> Place {
    let whole: u32 = AREAS.iter().map(|area| area.weight).sum();
    let mut left = rng.u32(0..whole);
    let area = AREAS
        .iter()
        .find(|area| {
            let here = left < area.weight;
            left = left.saturating_sub(area.weight);
            here
        })
        .unwrap_or(&AREAS[0]);
    let (ward, district) = *pick(rng, area.parts);
    let province = *pick(rng, area.spellings);
    let line = format!("{} {}", rng.u32(1..300), pick(rng, &STREETS));
    let text = match rng.u8(0..3) {
        0 => format!(
            "{line}, {}, {district}, {province}",
            ward.replace("Phường ", "P. ")
        ),
        _ => format!("{line}, {ward}, {district}, {province}"),
    };
    Place {
        line,
        ward: ward.to_owned(),
        district: district.to_owned(),
        province,
        code: area.code,
        text,
    }
}
