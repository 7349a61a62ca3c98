//! VietQR: the text of a transfer's QR code (EMVCo merchant-presented), so that a buyer's bank
//! fills in account, amount and order code by itself.
//!
//! Source: NAPAS' VietQR format as npm `vietnam-qr-pay` writes it.

use std::fmt::Write as _;

use domain::money::Amount;

use crate::signature::vietqr_checksum;

/// Why a QR text could not be made. Names the part, never its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A bank's BIN is six digits.
    #[error("could not make a VietQR text: the bank's BIN is 6 digits")]
    Bank,
    /// An account is letters and digits, 19 at most.
    #[error("could not make a VietQR text: the account is 1 to 19 letters and digits")]
    Account,
    /// An amount is positive and has 13 digits at most.
    #[error("could not make a VietQR text: the amount is 1 to 9,999,999,999,999 đồng")]
    Amount,
    /// Banks strip everything else, and cut what is longer.
    #[error("could not make a VietQR text: the purpose is 1 to 25 letters, digits and spaces")]
    Purpose,
}

/// An account that takes transfers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account<'a> {
    /// The bank's BIN at NAPAS, six digits.
    pub bank_bin: &'a str,
    /// Account number, or the virtual account of an aggregator.
    pub number: &'a str,
}

/// The text of a QR code for this account; whole đồng, and the order code as `purpose`.
///
/// # Errors
/// When a part is not of the form that banks take.
pub fn payload(
    account: Account<'_>,
    amount: Option<Amount>,
    purpose: Option<&str>,
) -> Result<String, Error> {
    let bin = account.bank_bin;
    if bin.len() != 6 || !bin.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Error::Bank);
    }
    let number = account.number;
    let plain = number.bytes().all(|b| b.is_ascii_alphanumeric());
    if !(1..=19).contains(&number.len()) || !plain {
        return Err(Error::Account);
    }
    let beneficiary = format!("{}{}", field("00", bin), field("01", number));
    let merchant = [
        field("00", "A000000727"),
        field("01", &beneficiary),
        field("02", "QRIBFTTA"),
    ]
    .concat();
    let dynamic = amount.is_some() || purpose.is_some();
    let mut text = field("00", "01");
    text += &field("01", if dynamic { "12" } else { "11" });
    text += &field("38", &merchant);
    text += &field("53", "704");
    if let Some(amount) = amount {
        if !(1..=9_999_999_999_999).contains(&amount.minor_units()) {
            return Err(Error::Amount);
        }
        text += &field("54", &amount.minor_units().to_string());
    }
    text += &field("58", "VN");
    if let Some(purpose) = purpose {
        let plain = purpose
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b' ');
        if !(1..=25).contains(&purpose.len()) || !plain {
            return Err(Error::Purpose);
        }
        text += &field("62", &field("08", purpose));
    }
    text += "6304";
    let checksum = vietqr_checksum(&text);
    Ok(text + &checksum)
}

/// Tag, length in two digits, value. Every value here is shorter than 100 bytes.
fn field(tag: &str, value: &str) -> String {
    let mut out = String::with_capacity(value.len() + 4);
    write!(out, "{tag}{:02}{value}", value.len()).expect("invariant: a String takes any text");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: Account<'_> = Account {
        bank_bin: "970436",
        number: "0123499999",
    };

    /// Made by npm `vietnam-qr-pay` 1.5.1.
    #[test]
    fn the_librarys_codes_are_reproduced() {
        assert_eq!(
            payload(ACCOUNT, Some(Amount(580_000)), Some("SO000123")).unwrap(),
            "00020101021238540010A00000072701240006970436011001234999990208QRIBFTTA530370454065800005802VN62120808SO000123630424B5"
        );
        let readme = Account {
            bank_bin: "970416",
            number: "257678859",
        };
        assert_eq!(
            payload(readme, None, None).unwrap(),
            "00020101021138530010A0000007270123000697041601092576788590208QRIBFTTA53037045802VN6304AE9F"
        );
        assert_eq!(
            payload(readme, Some(Amount(10_000)), Some("Chuyen tien")).unwrap(),
            "00020101021238530010A0000007270123000697041601092576788590208QRIBFTTA53037045405100005802VN62150811Chuyen tien630453E6"
        );
    }

    #[test]
    fn parts_that_banks_do_not_take_are_refused() {
        let account = |bank_bin, number| Account { bank_bin, number };
        for (account, error) in [
            (account("97043", "1"), Error::Bank),
            (account("97043A", "1"), Error::Bank),
            (account("970436", ""), Error::Account),
            (account("970436", "12345678901234567890"), Error::Account),
            (account("970436", "12-3"), Error::Account),
        ] {
            assert_eq!(payload(account, None, None), Err(error));
        }
        for amount in [0, -1, 10_000_000_000_000] {
            assert_eq!(
                payload(ACCOUNT, Some(Amount(amount)), None),
                Err(Error::Amount)
            );
        }
        for purpose in ["", "KH-000005724", "đơn hàng", "abcdefghijklmnopqrstuvwxyz"] {
            assert_eq!(payload(ACCOUNT, None, Some(purpose)), Err(Error::Purpose));
        }
    }
}
