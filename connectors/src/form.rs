//! `application/x-www-form-urlencoded`: queries of vendors that deliver by GET, and bodies of
//! their token calls.

/// The pairs of a query or form body, decoded, in the order received. Pairs without `=` are not
/// of this format and are passed over.
#[must_use]
pub fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (decode(key), decode(value)))
        .collect()
}

/// One component decoded: `+` is a space, `%XX` a byte. What is not valid stays as it is.
#[must_use]
pub fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escaped = bytes
            .get(at + 1..at + 3)
            .filter(|_| byte == b'%')
            .and_then(|digits| hex::decode(digits).ok());
        match escaped {
            Some(decoded) => {
                out.extend(decoded);
                at += 3;
            }
            None => {
                out.push(if byte == b'+' { b' ' } else { byte });
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// One component encoded. `bare` are the marks that the writer leaves as they are: `-._` in PHP,
/// `-._*` in browsers and Java.
#[must_use]
pub fn encode(text: &str, bare: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || bare.as_bytes().contains(&byte) {
            out.push(char::from(byte));
        } else if byte == b' ' {
            out.push('+');
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_survives_encoding_and_decoding() {
        for text in [
            "",
            "a b+c",
            "Máy lọc nước 100% (2 SP) & phụ kiện",
            "a%2",
            "%",
            "~*-._",
        ] {
            assert_eq!(decode(&encode(text, "-._")), text);
        }
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(decode("%zz%4"), "%zz%4");
        assert_eq!(
            pairs("a=1&b&c=x%20y+z"),
            [
                ("a".to_owned(), "1".to_owned()),
                ("c".to_owned(), "x y z".to_owned())
            ]
        );
    }
}
